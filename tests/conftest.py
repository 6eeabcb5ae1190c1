"""What all tests share: an empty environment, and a database of each kind."""

import os
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from storage.database import Database
from tests.databases import DATABASES, create_postgres_database, create_sqlite_database, drop_if_shared_server

KILL_SEED = 20_260_101
settings.register_profile("fixed seeds", deadline=None, print_blob=True, derandomize=True)
settings.register_profile("fresh seeds", deadline=None, print_blob=True)
settings.load_profile("fixed seeds")

_PREFIXES = (
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
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's settings must not decide what a test sees."""
    for name in list(os.environ):  # noqa: TID251 - this is the one place where tests clean it
        if name.startswith(_PREFIXES):
            monkeypatch.delenv(name)


def pytest_addoption(parser: pytest.Parser) -> None:
    """For tests/crashes; pytest reads options before it goes into folders."""
    parser.addoption("--kills", type=int, default=200, help="how often a process is killed at a random moment")
    parser.addoption("--kill-seed", type=int, help=f"the seed of those moments; {KILL_SEED} unless seeds are fresh")
    parser.addoption("--fresh-seeds", action="store_true", help="try other random examples and moments than usual")


def pytest_configure(config: pytest.Config) -> None:
    """A failure must be seen again by running the same command, so seeds are fixed unless fresh ones are asked for."""
    fresh = config.getoption("fresh_seeds")
    settings.load_profile("fresh seeds" if fresh else "fixed seeds")
    if config.getoption("kill_seed") is None:
        config.option.kill_seed = secrets.randbits(32) if fresh else KILL_SEED


def pytest_report_header(config: pytest.Config) -> str:
    """Show what to give to see the same moments again; Hypothesis prints how to repeat its examples itself."""
    return f"kill seed: {config.getoption('kill_seed')}; hypothesis: {settings.get_current_profile_name()}"


@pytest.fixture
def kill_seed(request: pytest.FixtureRequest) -> int:
    """What the random moments are made of."""
    seed: int = request.config.getoption("kill_seed")
    return seed


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    url = DATABASES[request.param](tmp_path)
    yield url
    drop_if_shared_server(url)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """For what only SQLite does."""
    return create_sqlite_database(tmp_path)


@pytest.fixture
def postgres_url(tmp_path: Path) -> Iterator[str]:
    """For what only PostgreSQL does."""
    url = create_postgres_database(tmp_path)
    yield url
    drop_if_shared_server(url)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = Database.open(database_url)
    yield opened
    await opened.close()
