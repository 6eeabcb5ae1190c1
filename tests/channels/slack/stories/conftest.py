"""Fixtures for tests of the bot on the fake Slack."""

import logging
from collections.abc import Iterator

import pytest

from tests.bot.conftest import BOT_SETUPS, BotSetup, database_url, running_bot  # noqa: F401 - the last two are fixtures
from tests.channels.slack.stories.log_capture import LogCapture
from tests.harness.slack import Transport


@pytest.fixture(params=["http", "socket"])
def transport(request: pytest.FixtureRequest) -> Transport:
    return request.param  # type: ignore[no-any-return]  # one of the two parameters


@pytest.fixture
def bot_setup() -> BotSetup:
    """Return the fastest setup; tests of the main paths use `on_every_setup`."""
    return BOT_SETUPS["sqlite"]


@pytest.fixture
def log_capture() -> Iterator[LogCapture]:
    handler, logger = LogCapture(), logging.getLogger("handrail")
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)
