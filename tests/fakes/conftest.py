"""Fixtures: a fake Slack workspace with a recording bot and two people."""

from collections.abc import AsyncIterator

import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.recording_bots import RecordingBot, recording_bot
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
async def bot(slack: FakeSlack) -> AsyncIterator[RecordingBot]:
    async with recording_bot(slack) as running:
        yield running


@pytest.fixture
def alice(slack: FakeSlack) -> Person:
    return slack.add_person("alice", "U0ALICE")


@pytest.fixture
def bob(slack: FakeSlack) -> Person:
    return slack.add_person("bob", "U0BOB")
