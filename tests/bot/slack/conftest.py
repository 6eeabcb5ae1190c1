import logging
from collections.abc import Iterator

import pytest

from tests.bot.conftest import SET_UPS, SetUp
from tests.bot.slack.overheard import Overheard
from tests.bot.slack.workplace import Transport


@pytest.fixture(params=["http", "socket"])
def transport(request: pytest.FixtureRequest) -> Transport:
    return request.param  # type: ignore[no-any-return]  # one of the two


@pytest.fixture
def set_up() -> SetUp:
    """The quickest one; the main paths are told `everywhere`."""
    return SET_UPS["sqlite"]


@pytest.fixture
def overheard() -> Iterator[Overheard]:
    handler, ours = Overheard(), logging.getLogger("handrail")
    ours.addHandler(handler)
    yield handler
    ours.removeHandler(handler)
