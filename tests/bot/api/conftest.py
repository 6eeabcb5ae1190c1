import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.api.server import Server, open_listen_socket
from tests.bot.api.served_api import ObservedStreams, ServedApi
from tests.databases import DATABASES, create_sqlite_database, drop_if_server_outlives_tests
from tests.harness.api import ApiHarness, running_api
from tests.slow_cases import slow_unless


@pytest.fixture(scope="session")
def migrated_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an empty database, migrated once and copied for each test."""
    folder = tmp_path_factory.mktemp("migrated")
    create_sqlite_database(folder)
    return folder / "handrail.db"


@pytest.fixture
def fresh_url(migrated_database: Path, tmp_path: Path) -> str:
    shutil.copy(migrated_database, tmp_path / "handrail.db")
    return f"sqlite:///{tmp_path / 'handrail.db'}"


@pytest.fixture
async def api(fresh_url: str) -> AsyncIterator[ApiHarness]:
    async with running_api(fresh_url) as harness:
        yield harness


@pytest.fixture(params=slow_unless(lambda name: name == "postgresql", DATABASES))
async def api_on_each_database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ApiHarness]:
    """Yield the API on PostgreSQL, and with `--all` on each database; `api` is the API on SQLite."""
    url = DATABASES[request.param](tmp_path)
    async with running_api(url) as harness:
        yield harness
    drop_if_server_outlives_tests(url)


@pytest.fixture
async def served_api(fresh_url: str) -> AsyncIterator[ServedApi]:
    streams = ObservedStreams()
    async with running_api(fresh_url, streams) as harness:
        server, socket = Server(harness.app), open_listen_socket("127.0.0.1", 0)
        task = asyncio.create_task(server.serve(sockets=[socket]))
        served_harness = ServedApi(harness, streams, server, task, socket.getsockname()[1])
        yield served_harness
        await served_harness.stop()
