"""Fixtures of all tests: an empty environment, and a database of each kind."""

import os
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from storage.database.database import Database
from tests.databases import DATABASES, create_postgres_database, create_sqlite_database, drop_if_server_outlives_tests
from tests.fakes.email.postfix import why_unavailable
from tests.postgres import end_servers

KILL_SEED = 20_260_101
QUICK_EXAMPLES, ALL_EXAMPLES = 30, 300
"""Numbers of examples of a property test without and with `--all`, unless the test sets its own."""

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
    """Remove variables that Handrail reads, so that a developer's settings do not affect tests."""
    for name in list(os.environ):  # noqa: TID251 - tests clean the environment here only
        if name.startswith(_PREFIXES):
            monkeypatch.delenv(name)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add options for tests/crashes here, since pytest reads options before it collects folders."""
    parser.addoption("--all", action="store_true", help="run the cases that are marked as slow, too")
    parser.addoption("--kills", type=int, default=20, help="number of random kills of a process")
    parser.addoption(
        "--kill-seed",
        type=int,
        help=f"seed of the random kills; default {KILL_SEED}, or a random one with --fresh-seeds",
    )
    parser.addoption("--fresh-seeds", action="store_true", help="use random seeds for Hypothesis and the random kills")


def pytest_configure(config: pytest.Config) -> None:
    """Set the seeds and the number of examples. Seeds are fixed by default, so that a command repeats a failure."""
    fresh = config.getoption("fresh_seeds")
    profile = f"{'fresh' if fresh else 'fixed'} seeds"
    examples = ALL_EXAMPLES if config.getoption("all") else QUICK_EXAMPLES
    settings.register_profile(profile, deadline=None, print_blob=True, derandomize=not fresh, max_examples=examples)
    settings.load_profile(profile)
    if config.getoption("kill_seed") is None:
        config.option.kill_seed = secrets.randbits(32) if fresh else KILL_SEED


def pytest_sessionfinish(session: pytest.Session) -> None:
    """End the PostgreSQL servers of this process. Later, pytest-xdist may kill a worker that takes time to end them."""
    end_servers()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the slow cases unless `--all` is given."""
    slow = [] if config.getoption("all") else [item for item in items if item.get_closest_marker("slow")]
    if slow:
        items[:] = [item for item in items if not item.get_closest_marker("slow")]
        config.hook.pytest_deselected(items=slow)


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Print the kill seed, and why no test uses a real Postfix. Hypothesis prints how to repeat its examples."""
    seeds = f"kill seed: {config.getoption('kill_seed')}; hypothesis: {settings.get_current_profile_name()}"
    reason = why_unavailable()
    return [seeds, "postfix: used with --all" if reason is None else f"postfix: not used, because {reason}"]


@pytest.fixture
def kill_seed(request: pytest.FixtureRequest) -> int:
    """Return the seed of the random kills."""
    seed: int = request.config.getoption("kill_seed")
    return seed


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    url = DATABASES[request.param](tmp_path)
    yield url
    drop_if_server_outlives_tests(url)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """Return the URL of a SQLite database, for tests of SQLite only."""
    return create_sqlite_database(tmp_path)


@pytest.fixture
def postgres_url(tmp_path: Path) -> Iterator[str]:
    """Yield the URL of a PostgreSQL database, for tests of PostgreSQL only."""
    url = create_postgres_database(tmp_path)
    yield url
    drop_if_server_outlives_tests(url)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = Database.open(database_url)
    yield opened
    await opened.close()
