"""A channel may limit its retries: a message that cannot be delivered in time is undeliverable."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.core.errors import ConfigurationError, DeliveryUncertain, Permanent, Unavailable
from agents.core.steps import DoneForNow
from bot.delivery.retry_limit import MAX_RETRY_SECONDS, MIN_RETRY_SECONDS, limit_retries
from channels.base import Capabilities
from storage.database.database import Database
from tests.bot.conftest import on_every_setup
from tests.fakes.scripted_model import ScriptedModel
from tests.harness.bot import RecordingChannel

LIMIT_SECONDS = 172_800.0


class LimitedChannel(RecordingChannel):
    """Channel that retries for 48 hours. `attempts` counts the calls."""

    def __init__(self) -> None:
        super().__init__("terminal")

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(retry_for_seconds=LIMIT_SECONDS)


@on_every_setup
async def test_message_refused_for_48_hours_is_undeliverable(database: Database, running_bot) -> None:
    channel = LimitedChannel()
    channel.planned_errors = [Unavailable("451 4.7.1") for _ in range(200)]
    model = ScriptedModel(DoneForNow(message="one"))
    async with running_bot(database, model, channels={"terminal": channel}) as harness:
        thread_id = await harness.post_message("a")
        for _ in range(47):
            await harness.wait_for_error(channel)
            channel.error_raised.clear()
            assert (await harness.bot.engine.load(thread_id)).pending_messages
            harness.clock.advance(hours=1)
        await harness.wait_for_error(channel)
        harness.clock.advance(hours=1)
        await harness.wait_until_done(thread_id)
        last = (await harness.events(thread_id))[-1]
        assert (last.type, last.reason) == ("MessageUndeliverable", "no delivery for 48 hours: 451 4.7.1")


async def test_misconfigured_channel_keeps_its_messages_without_limit(database: Database, running_bot) -> None:
    channel = LimitedChannel()
    channel.planned_errors = [ConfigurationError("wrong password")] * 2
    model = ScriptedModel(DoneForNow(message="one"))
    async with running_bot(database, model, channels={"terminal": channel}) as harness:
        thread_id = await harness.post_message("a")
        await harness.wait_for_error(channel)
        channel.error_raised.clear()
        harness.clock.advance(hours=100)
        await harness.wait_for_error(channel)
        harness.clock.advance(hours=1)
        await harness.wait_until_done(thread_id)
        assert [message.text for _, message, _ in channel.sent] == ["one"]


@given(st.floats(0, 2 * LIMIT_SECONDS), st.none() | st.floats(0, 10_000))
def test_delays_grow_and_end_with_the_limit(age_seconds: float, retry_after: float | None) -> None:
    error = DeliveryUncertain("silence", retry_after=retry_after)
    limited = limit_retries(error, timedelta(seconds=age_seconds), LIMIT_SECONDS)
    if age_seconds >= LIMIT_SECONDS:
        assert isinstance(limited, Permanent)
        return
    assert limited is error
    remaining = LIMIT_SECONDS - age_seconds
    assert error.retry_after is not None
    assert error.retry_after >= min(MIN_RETRY_SECONDS, remaining) - 1e-3
    assert error.retry_after >= (retry_after or 0)
    assert error.retry_after <= max(MAX_RETRY_SECONDS, retry_after or 0)


@pytest.mark.parametrize(("minutes", "delay_seconds"), [(0, 60), (8, 120), (60, 900), (600, 3600)])
def test_delay_is_a_quarter_of_the_age_within_bounds(minutes: int, delay_seconds: float) -> None:
    error = Unavailable("away")
    assert limit_retries(error, timedelta(minutes=minutes), LIMIT_SECONDS) is error
    assert error.retry_after == delay_seconds


def test_channel_without_a_limit_keeps_its_own_delay() -> None:
    error = Unavailable("away", retry_after=7)
    assert limit_retries(error, timedelta(days=30), None) is error
    assert error.retry_after == 7
