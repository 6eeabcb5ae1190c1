from collections.abc import AsyncIterator

import pytest

from storage.database.database import Database


@pytest.fixture
async def database(postgres_url: str) -> AsyncIterator[Database]:
    """Open a PostgreSQL database: SQLite has no jobs."""
    opened = Database.open(postgres_url)
    yield opened
    await opened.close()
