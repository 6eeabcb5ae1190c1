"""A workspace with a bot that listens, and two people in it."""

from collections.abc import AsyncIterator

import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.listening_bots import Bot, bot_of
from tests.fakes.slack.person import Person
from tests.fakes.slack.slack import FakeSlack, fake_slack


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def slack(clock: FakeClock) -> AsyncIterator[FakeSlack]:
    async with fake_slack(clock) as fake:
        yield fake


@pytest.fixture
async def bot(slack: FakeSlack) -> AsyncIterator[Bot]:
    async with bot_of(slack) as running:
        yield running


@pytest.fixture
def alice(slack: FakeSlack) -> Person:
    return slack.person("alice", "U0ALICE")


@pytest.fixture
def bob(slack: FakeSlack) -> Person:
    return slack.person("bob", "U0BOB")
