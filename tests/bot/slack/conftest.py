import logging
from collections.abc import Iterator

import pytest

from tests.bot.conftest import BOT_SETUPS, BotSetup
from tests.bot.slack.log_capture import LogCapture
from tests.bot.slack.slack_harness import Transport


@pytest.fixture(params=["http", "socket"])
def transport(request: pytest.FixtureRequest) -> Transport:
    return request.param  # type: ignore[no-any-return]  # one of the two


@pytest.fixture
def set_up() -> BotSetup:
    """The quickest one; the main paths are told `everywhere`."""
    return BOT_SETUPS["sqlite"]


@pytest.fixture
def log_capture() -> Iterator[LogCapture]:
    handler, ours = LogCapture(), logging.getLogger("handrail")
    ours.addHandler(handler)
    yield handler
    ours.removeHandler(handler)
