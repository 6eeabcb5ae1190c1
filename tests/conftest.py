"""What all tests share: an empty environment, and a database of each kind."""

import os
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from storage.database import Database
from tests.databases import DATABASES, forget_database, postgresql, sqlite

settings.register_profile("handrail", deadline=None, print_blob=True)
settings.load_profile("handrail")

_OURS = (
    "HANDRAIL",
    "OPENAI",
    "SLACK",
    "TWILIO",
    "SMTP",
    "LMTP",
    "EMAIL",
    "DATABASE",
    "SECRET_KEY",
    "PUBLIC_URL",
    "DEPLOY",
)


@pytest.fixture(autouse=True)
def _nothing_of_ours_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's settings must not decide what a test sees."""
    for name in list(os.environ):  # noqa: TID251 - this is the one place where tests clean it
        if name.startswith(_OURS):
            monkeypatch.delenv(name)


def pytest_addoption(parser: pytest.Parser) -> None:
    """For tests/crashes; pytest reads options before it goes into folders."""
    parser.addoption("--kills", type=int, default=200, help="how often a process is killed at a random moment")
    parser.addoption("--kill-seed", type=int, default=secrets.randbits(32), help="the seed of those moments")


@pytest.fixture
def kill_seed(request: pytest.FixtureRequest) -> int:
    """What the random moments are made of."""
    seed: int = request.config.getoption("kill_seed")
    return seed


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    url = DATABASES[request.param](tmp_path)
    yield url
    forget_database(url)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """For what only SQLite does."""
    return sqlite(tmp_path)


@pytest.fixture
def postgres_url(tmp_path: Path) -> Iterator[str]:
    """For what only PostgreSQL does."""
    url = postgresql(tmp_path)
    yield url
    forget_database(url)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = Database.open(database_url)
    yield opened
    await opened.close()
