"""The ways a bot runs: every story of the engine is told on all of them."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from tests import houses
from tests.databases import DATABASES, forget_database

OpenHouse = Callable[..., AbstractAsyncContextManager[houses.House]]


@dataclass(frozen=True)
class SetUp:
    """A kind of database, and whether the work is shared with other processes through its job queue."""

    database: str
    shared: bool = False


SET_UPS: Mapping[str, SetUp] = {
    "sqlite": SetUp("sqlite"),
    "postgresql": SetUp("postgresql"),
    "queue": SetUp("postgresql", shared=True),
}


@pytest.fixture(params=SET_UPS)
def set_up(request: pytest.FixtureRequest) -> SetUp:
    return SET_UPS[request.param]


@pytest.fixture
def database_url(set_up: SetUp, tmp_path: Path) -> Iterator[str]:
    url = DATABASES[set_up.database](tmp_path)
    yield url
    forget_database(url)


@pytest.fixture
def house(set_up: SetUp) -> OpenHouse:
    return partial(houses.house, shared=set_up.shared)
