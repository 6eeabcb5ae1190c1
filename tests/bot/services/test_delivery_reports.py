"""Messages that bounce: the same commit records it and sends the card or reply to another address."""

from dataclasses import replace
from datetime import timedelta

import pytest

from agents.core.errors import Unavailable
from agents.core.events import MessageUndeliverable, NoticeGiven
from agents.core.policy import ApprovalTerms, EscalationStep, Rule
from agents.core.steps import CallTool, DoneForNow
from agents.core.values import Address
from bot.services.delivery_reports import MAX_RECORDING_TIME as OLD
from channels.inbound import Arrival, InboundMessage, Sender
from channels.stored_input import DeliveryFailure
from storage.database.database import Database
from tests.bot.conftest import on_every_setup
from tests.fakes.scripted_model import ScriptedModel
from tests.harness.bot import BotHarness, RecordingChannel
from tests.harness.channels import channels_by_scheme

WARD = Address("pager:ward7")
ALICE_TERMINAL, CAROL_TERMINAL = Address("terminal:alice"), Address("terminal:carol")
SHIP = CallTool(tool="ship", arguments={"tag": "v1"})
RULES = (
    Rule(
        name="test",
        tool="ship",
        ask=ApprovalTerms(
            roles=("release",), escalate=(EscalationStep(after=600, to=Address("person:carol"), via="terminal"),)
        ),
    ),
)


def arrival(harness: BotHarness, key: str) -> Arrival:
    """Return the arrival of an input of Alice, whose pager is not in the configuration."""
    return Arrival("pager", (key,), Sender((ALICE_TERMINAL,)), WARD, harness.clock.now())


async def open_thread(harness: BotHarness) -> str:
    posted = await harness.bot.receiver.post_message(InboundMessage(arrival(harness, "page:1"), "go"))
    assert posted.thread_id is not None
    return posted.thread_id


async def report(
    harness: BotHarness, thread_id: str, *, ref: str = "pager-1", key: str = "bounce:1", age: timedelta = OLD
) -> None:
    """Report a failure that arrived some time ago."""
    arrived = replace(arrival(harness, key), at=harness.clock.now() - age)
    await harness.bot.receiver.report_failure(DeliveryFailure(arrived, thread_id, ref, "550 no such pager"))


def channels(pager: RecordingChannel) -> dict[str, object]:
    return {**channels_by_scheme(), "pager": pager}


@on_every_setup
async def test_bounced_card_moves_the_request_on_in_its_commit(database: Database, running_bot) -> None:
    pager = RecordingChannel("pager")
    async with running_bot(database, ScriptedModel(SHIP), rules=RULES, channels=channels(pager)) as harness:
        thread_id = await open_thread(harness)
        request = await harness.wait_for_request(thread_id)
        assert [card.address for card in request.cards] == [WARD]
        harness.commits.clear()
        await report(harness, thread_id)
        (commit,) = [one for one in harness.commits if any(isinstance(e, MessageUndeliverable) for e in one.events)]
        types = [event.type for event in commit.events]
        assert types[:3] == ["MessageUndeliverable", "RequestEscalated", "RequestShown"]
        await harness.wait_until(thread_id, lambda state: not state.pending_messages)
        current = await harness.bot.approvals.find_request(request.id)
        assert [card.address for card in current.cards] == [CAROL_TERMINAL]
        assert (current.escalated, [card.address for card in current.undeliverable_cards]) == (1, [WARD])
        await harness.check_replay(thread_id)


@on_every_setup
async def test_bounced_reply_goes_to_another_address_of_the_requester(database: Database, running_bot) -> None:
    pager, model = RecordingChannel("pager"), ScriptedModel(DoneForNow(message="Deployed."))
    async with running_bot(database, model, channels=channels(pager)) as harness:
        thread_id = await open_thread(harness)
        await harness.wait_until_done(thread_id)
        await report(harness, thread_id)
        (notice,) = [event for event in await harness.events(thread_id) if isinstance(event, NoticeGiven)]
        assert notice.to == ALICE_TERMINAL
        assert notice.text == "This reply could not be delivered (550 no such pager):\n\nDeployed."
        await harness.check_replay(thread_id)


async def test_bounce_is_recorded_once_and_an_unknown_one_never(database: Database, running_bot) -> None:
    pager, model = RecordingChannel("pager"), ScriptedModel(DoneForNow(message="Deployed."))
    async with running_bot(database, model, channels=channels(pager)) as harness:
        thread_id = await open_thread(harness)
        await harness.wait_until_done(thread_id)
        for ref, key, of_thread in (
            ("pager-9", "bounce:0", thread_id),
            ("pager-1", "bounce:x", "thr_none"),
            ("pager-1", "bounce:1", thread_id),
            ("pager-1", "bounce:1", thread_id),
            ("pager-1", "bounce:2", thread_id),
        ):
            await report(harness, of_thread, ref=ref, key=key)
        assert (await harness.event_types(thread_id)).count("MessageUndeliverable") == 1


async def test_bounce_before_its_delivery_is_recorded_is_reported_again_later(database: Database, running_bot) -> None:
    pager, model = RecordingChannel("pager"), ScriptedModel(DoneForNow(message="Deployed."))
    async with running_bot(database, model, channels=channels(pager)) as harness:
        thread_id = await open_thread(harness)
        await harness.wait_until_done(thread_id)
        with pytest.raises(Unavailable):
            await report(harness, thread_id, ref="pager-9", age=OLD - timedelta(seconds=1))
        await report(harness, thread_id, age=timedelta())
        assert (await harness.event_types(thread_id)).count("MessageUndeliverable") == 1
        await report(harness, thread_id, age=timedelta())  # it is recorded, so it need not wait
        assert (await harness.event_types(thread_id)).count("MessageUndeliverable") == 1


async def test_bounce_after_the_decision_changes_no_request(database: Database, running_bot) -> None:
    pager, model = RecordingChannel("pager"), ScriptedModel(SHIP, DoneForNow(message="Deployed."))
    async with running_bot(database, model, rules=RULES, channels=channels(pager)) as harness:
        thread_id = await open_thread(harness)
        request = await harness.wait_for_request(thread_id)
        await harness.answer_request(request, "approve")
        await harness.wait_until_done(thread_id)
        await report(harness, thread_id)
        (event,) = [e for e in await harness.events(thread_id) if isinstance(e, MessageUndeliverable)]
        assert (event.request_id, event.receipt.ref if event.receipt else None) == (None, "pager-1")
        assert "RequestEscalated" not in await harness.event_types(thread_id)
        await harness.check_replay(thread_id)
