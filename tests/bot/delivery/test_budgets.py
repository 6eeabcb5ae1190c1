"""Channels on which messages cost money: what is limited, what never is, and who gets nothing."""

from dataclasses import dataclass
from datetime import timedelta

from agents.core.errors import OptedOut
from agents.core.events import MessageUndeliverable
from agents.core.messages import Message
from agents.core.policy import ApprovalTerms, Rule
from agents.core.steps import DoneForNow
from agents.core.values import Address
from channels.base import Capabilities, SendBudget
from channels.inbound import Arrival, Sender
from channels.stored_input import DeliveryConfirmation, OptOut
from storage.contacts import list_opted_out
from storage.database.database import Database
from tests.bot.conftest import on_every_setup
from tests.fakes.scripted_model import ScriptedModel
from tests.harness.bot import BotHarness, RecordingChannel
from tests.harness.channels import channels_by_scheme

ALICE = Address("terminal:alice")
SHIP = {"intent": "ship", "tag": "v1"}
REMINDING = ApprovalTerms(roles=("release",), remind=(10, 20, 30, 40), expires=3600)


@dataclass
class MeteredRecorder(RecordingChannel):
    """Channel with a budget. Each character of a message costs a unit."""

    daily_units: int = 10_000

    def __init__(self, daily_units: int = 10_000) -> None:
        super().__init__("terminal")
        self.daily_units = daily_units

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(budget=SendBudget(((3, timedelta(minutes=15)),), self.daily_units))

    def count_units(self, to: Address, message: Message) -> int:
        return len(message.text)


def channels(channel: RecordingChannel) -> dict[str, object]:
    return {**channels_by_scheme(), "terminal": channel}


def arrival(harness: BotHarness, key: str = "x") -> Arrival:
    return Arrival("terminal", (key,), Sender((ALICE,)), ALICE, harness.clock.now())


async def undeliverable(harness: BotHarness, thread_id: str) -> list[str]:
    """Return the reasons for which messages of the thread were not sent."""
    return [e.reason for e in await harness.events(thread_id) if isinstance(e, MessageUndeliverable)]


@on_every_setup
async def test_reminders_beyond_the_limit_are_not_sent(database: Database, running_bot) -> None:
    channel, rules = MeteredRecorder(), (Rule(name="ship", tool="ship", ask=REMINDING),)
    async with running_bot(database, ScriptedModel(SHIP), rules=rules, channels=channels(channel)) as harness:
        thread_id = await harness.post_message("ship v1")
        await harness.wait_for_request(thread_id)
        for count in range(1, 5):
            harness.clock.advance(seconds=10)
            await harness.wait_until(
                thread_id,
                lambda state, count=count: (
                    state.open_request and state.open_request.reminded == count and not state.pending_messages
                ),
            )
        assert len(channel.sent) == 3
        assert await undeliverable(harness, thread_id) == ["too many messages went there within a short time"] * 2


async def test_replies_and_first_cards_are_sent_beyond_the_limit(database: Database, running_bot) -> None:
    channel, model = MeteredRecorder(), ScriptedModel(*[DoneForNow(message="Hello.")] * 5, SHIP)
    async with running_bot(database, model, channels=channels(channel)) as harness:
        for _ in range(5):
            await harness.wait_until_done(await harness.post_message("hello"))
        await harness.wait_for_request(await harness.post_message("ship v1"))
        assert len(channel.sent) == 6


async def test_daily_limit_counts_the_units_of_all_messages(database: Database, running_bot) -> None:
    channel, model = MeteredRecorder(12), ScriptedModel(*[DoneForNow(message="Hello.")] * 4)
    async with running_bot(database, model, channels=channels(channel)) as harness:
        threads = [await harness.post_message("hello") for _ in range(3)]
        for thread_id in threads:
            await harness.wait_until_done(thread_id)
        assert len(channel.sent) == 2
        harness.clock.advance(seconds=24 * 3600 + 1)
        await harness.wait_until_done(await harness.post_message("hello"))
        assert len(channel.sent) == 3


@on_every_setup
async def test_address_that_opted_out_gets_nothing_until_it_opts_in(database: Database, running_bot) -> None:
    channel, model = MeteredRecorder(), ScriptedModel(*[DoneForNow(message="Hello.")] * 2)
    async with running_bot(database, model, channels=channels(channel)) as harness:
        receiver = harness.bot.receiver
        await receiver.report_opt_out(OptOut(arrival(harness), is_opted_out=True))
        thread_id = await harness.post_message("hello")
        await harness.wait_until_done(thread_id)
        assert (channel.sent, await undeliverable(harness, thread_id)) == ([], [str(OptedOut())])
        await receiver.report_opt_out(OptOut(arrival(harness), is_opted_out=False))
        await harness.wait_until_done(await harness.post_message("hello"))
        assert len(channel.sent) == 1


async def test_error_of_the_channel_records_an_opt_out(database: Database, running_bot) -> None:
    channel, model = MeteredRecorder(), ScriptedModel(DoneForNow(message="Hello."))
    channel.planned_errors = [OptedOut()]
    async with running_bot(database, model, channels=channels(channel)) as harness:
        await harness.wait_until_done(await harness.post_message("hello"))
        assert [one.address for one in await database.read(list_opted_out)] == [ALICE]


async def test_last_message_is_known_with_its_request(database: Database, running_bot) -> None:
    channel, model = MeteredRecorder(), ScriptedModel(DoneForNow(message="Hello."), SHIP)
    async with running_bot(database, model, channels=channels(channel)) as harness:
        receiver = harness.bot.receiver
        assert await receiver.find_last_message(ALICE) is None
        await harness.wait_until_done(await harness.post_message("hello"))
        assert (await receiver.find_last_message(ALICE)).request_id is None
        harness.clock.advance(seconds=1)
        request = await harness.wait_for_request(await harness.post_message("ship v1"))
        assert (await receiver.find_last_message(ALICE)).request_id == request.id


async def test_confirmation_of_a_message_without_a_deadline_is_ignored(database: Database, running_bot) -> None:
    channel = MeteredRecorder()
    async with running_bot(database, ScriptedModel(SHIP), channels=channels(channel)) as harness:
        thread_id = await harness.post_message("ship v1")
        await harness.wait_for_request(thread_id)
        for ref in ("terminal-1", "unknown"):
            await harness.bot.receiver.report_delivery(DeliveryConfirmation(arrival(harness), ref))
        assert "DeliveryConfirmed" not in await harness.event_types(thread_id)
