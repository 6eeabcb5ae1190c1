"""Fixtures of the crash suite: a process pool, and a scenario for each database and process layout."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crashes.process_pool import ProcessPool
from tests.crashes.scenario import PROCESS_LAYOUTS, SINGLE_PROCESS_DEPLOYMENTS, CrashScenario, deployment_id
from tests.databases import DATABASES, drop_if_server_outlives_tests


@pytest.fixture(scope="session")
def process_pool() -> Iterator[ProcessPool]:
    """Yield the pool that all tests share, because importing the bot takes most of the time of a start."""
    opened = ProcessPool()
    yield opened
    opened.close()


@pytest.fixture(params=SINGLE_PROCESS_DEPLOYMENTS, ids=deployment_id)
def scenario(request: pytest.FixtureRequest, process_pool: ProcessPool, tmp_path: Path) -> Iterator[CrashScenario]:
    """Yield one process on each database. A test may parametrize other deployments."""
    database, layout = request.param
    url = DATABASES[database](tmp_path)
    opened = CrashScenario(process_pool, url, tmp_path, PROCESS_LAYOUTS[layout])
    yield opened
    opened.ended.set()
    opened.kill()
    drop_if_server_outlives_tests(url)
