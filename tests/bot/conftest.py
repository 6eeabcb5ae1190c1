"""Fixtures that run each test of the engine with every supported database and execution backend."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from tests.databases import DATABASES, drop_if_server_outlives_tests
from tests.harness import bot as bot_harness
from tests.slow_cases import slow_after_first

RunBot = Callable[..., AbstractAsyncContextManager[bot_harness.BotHarness]]


@dataclass(frozen=True)
class BotSetup:
    """Kind of database, and whether the work is distributed to processes through its job queue."""

    database: str
    has_job_queue: bool = False


BOT_SETUPS: Mapping[str, BotSetup] = {
    "sqlite": BotSetup("sqlite"),
    "postgresql": BotSetup("postgresql"),
    "queue": BotSetup("postgresql", has_job_queue=True),
}


on_every_setup = pytest.mark.parametrize("bot_setup", BOT_SETUPS, indirect=True)
"""Parametrization of a test for which database and job queue matter, also without `--all`.

The test runs with SQLite, and with PostgreSQL with and without the job queue.
"""


@pytest.fixture(params=slow_after_first(BOT_SETUPS))
def bot_setup(request: pytest.FixtureRequest) -> BotSetup:
    """Return SQLite, and with `--all` also PostgreSQL with and without the job queue."""
    return BOT_SETUPS[request.param]


@pytest.fixture
def database_url(bot_setup: BotSetup, tmp_path: Path) -> Iterator[str]:
    url = DATABASES[bot_setup.database](tmp_path)
    yield url
    drop_if_server_outlives_tests(url)


@pytest.fixture
def running_bot(bot_setup: BotSetup) -> RunBot:
    return partial(bot_harness.running_bot, has_job_queue=bot_setup.has_job_queue)
