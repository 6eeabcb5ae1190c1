"""Tests of reminders, escalations and expiries of requests, on a fake clock."""

import pytest
from sqlalchemy import text

from agents.core.agent import Agent
from agents.core.errors import AlreadySettled
from agents.core.events import NoticeGiven
from agents.core.policy import ApprovalTerms, EscalationStep, Policy, Rule
from agents.core.steps import DoneForNow
from agents.core.values import Address
from bot.services.approvals import describe_recorded_answer
from bot.services.roster import Roster
from storage.database.database import Database
from tests.bot.conftest import on_every_setup
from tests.fakes.scripted_model import ScriptedModel
from tests.harness.bot import RecordingChannel
from tests.harness.channels import channels_by_scheme
from tests.harness.people import PEOPLE, with_addresses
from tests.harness.tools import ToolCallRecorder, build_tools

SHIP = {"intent": "ship", "tag": "v1"}
DONE = DoneForNow(message="Done.")


def rules_with_terms(**terms) -> tuple[Rule, ...]:
    return (Rule(name="test", tool="ship", ask=ApprovalTerms(roles=("release",), **terms)),)


def roster_with_phones(rules: tuple[Rule, ...]) -> Roster:
    """Return the harness's roster with these rules and with phone numbers for Bob and Carol."""
    people = with_addresses(PEOPLE, bob=("terminal:bob", "sms:+15550002"), carol=("terminal:carol", "sms:+15550003"))
    helper = Agent(name="helper", purpose="helps", instructions="Help.", tools=build_tools(ToolCallRecorder()))
    return Roster({"helper": helper}, Policy(rules=rules, people=people))


@on_every_setup
async def test_expiry_runs_nothing_and_the_model_sees_a_timeout(database: Database, running_bot) -> None:
    model = ScriptedModel(SHIP, DONE)
    async with running_bot(database, model, rules=rules_with_terms(expires=1800)) as harness:
        thread_id = await harness.post_message("ship v1")
        request = await harness.wait_for_request(thread_id)
        harness.clock.advance(minutes=30)
        await harness.wait_until_done(thread_id)
        assert "a timeout, not a refusal" in model.received[-1].prompt.user
        assert harness.tool_call_recorder.runs == []
        with pytest.raises(AlreadySettled, match="no answer in time"):
            await harness.answer_request(request, "approve")
        request_after = await harness.bot.approvals.find_request(request.id)
        assert (request_after.status, request_after.cards[0].state) == ("expired", "expired")


async def test_answer_just_before_expiry_counts(database: Database, running_bot) -> None:
    async with running_bot(database, ScriptedModel(SHIP, DONE), rules=rules_with_terms(expires=60)) as harness:
        thread_id = await harness.post_message("ship v1")
        request = await harness.wait_for_request(thread_id)
        harness.clock.advance(seconds=59.999)
        await harness.answer_request(request, "approve")
        await harness.wait_until_done(thread_id)
        assert len(harness.tool_call_recorder.runs) == 1


@on_every_setup
async def test_expiry_during_a_downtime_is_recorded_at_the_next_start(database_url: str, running_bot) -> None:
    async with running_bot(
        Database.open(database_url), ScriptedModel(SHIP), rules=rules_with_terms(expires=60)
    ) as harness:
        thread_id = await harness.post_message("ship v1")
        await harness.wait_for_request(thread_id)
        clock = harness.clock
    clock.advance(days=2)
    async with running_bot(Database.open(database_url), ScriptedModel(DONE), clock=clock, id_prefix="b") as harness:
        await harness.wait_until_done(thread_id)
        assert (await harness.event_types(thread_id)).count("RequestExpired") == 1


async def test_halt_fails_the_thread_and_a_message_reopens_it(database: Database, running_bot) -> None:
    async with running_bot(
        database, ScriptedModel(SHIP, DONE), rules=rules_with_terms(expires=60, on_expire="halt")
    ) as harness:
        thread_id = await harness.post_message("ship v1")
        await harness.wait_for_request(thread_id)
        harness.clock.advance(minutes=1)
        await harness.wait_for_status(thread_id, "failed")
        await harness.post_message("go on", thread_id=thread_id)
        await harness.wait_until_done(thread_id)


async def test_hold_pauses_the_thread_and_an_approval_resumes_it(database: Database, running_bot) -> None:
    async with running_bot(
        database, ScriptedModel(SHIP, DONE), rules=rules_with_terms(expires=60, on_expire="hold")
    ) as harness:
        thread_id = await harness.post_message("ship v1")
        request = await harness.wait_for_request(thread_id)
        harness.clock.advance(minutes=1)
        await harness.wait_until(thread_id, lambda state: state.status == "paused")
        harness.clock.advance(days=3)
        await harness.answer_request(request, "approve")
        await harness.wait_until_done(thread_id)
        assert len(harness.tool_call_recorder.runs) == 1


@pytest.mark.parametrize("first", ["the pause", "the expiry"])
async def test_approval_does_not_end_an_explicit_pause(database: Database, running_bot, first: str) -> None:
    async with running_bot(
        database, ScriptedModel(SHIP, DONE), rules=rules_with_terms(expires=60, on_expire="hold")
    ) as harness:
        thread_id = await harness.post_message("ship v1")
        request = await harness.wait_for_request(thread_id)
        if first == "the pause":
            await harness.bot.thread_control.pause(thread_id, Address("person:alice"))
        harness.clock.advance(minutes=1)
        await harness.wait_until(thread_id, lambda state: state.open_request and state.open_request.is_kept_open)
        if first == "the expiry":
            await harness.bot.thread_control.pause(thread_id, Address("person:alice"))
        commit = await harness.answer_request(request, "approve")
        assert describe_recorded_answer(commit, request.id) == (
            "Your answer was recorded, but the thread is paused by Alice. "
            f"Resume it with `handrail threads resume {thread_id}`."
        )
        assert (commit.after.status, harness.tool_call_recorder.runs) == ("paused", [])
        await harness.bot.thread_control.resume(thread_id, Address("person:alice"))
        await harness.wait_until_done(thread_id)
        assert len(harness.tool_call_recorder.runs) == 1


async def test_message_while_a_request_is_open_gets_a_notice(database: Database, running_bot) -> None:
    async with running_bot(database, ScriptedModel(SHIP), rules=rules_with_terms(quorum=2)) as harness:
        thread_id = await harness.post_message("ship v1")
        request = await harness.wait_for_request(thread_id)
        await harness.post_message("ok", thread_id=thread_id)
        state = await harness.wait_until(thread_id, lambda state: state.last_notice and not state.pending_messages)
        (notice,) = [event for event in await harness.events(thread_id) if isinstance(event, NoticeGiven)]
        assert notice.text.startswith(f"{request.code} still waits for release (")
        assert f"0 of 2, until 09:30 UTC; /approve {request.code}. A message never approves." in notice.text
        assert (notice.to, state.status, state.open_request) == ("terminal:alice", "waiting_for_human", request)
        await harness.check_replay(thread_id)


@on_every_setup
async def test_reminder_resends_card_and_escalation_sends_it_to_others(database: Database, running_bot) -> None:
    rules = rules_with_terms(remind=(60,), escalate=(EscalationStep(after=120, to=Address("role:release"), via="sms"),))
    sms = RecordingChannel("sms")
    channels = {**channels_by_scheme(), "sms": sms}
    roster = roster_with_phones(rules)
    async with running_bot(database, ScriptedModel(SHIP, DONE), roster=roster, channels=channels) as harness:
        thread_id = await harness.post_message("ship v1")
        request = await harness.wait_for_request(thread_id)
        harness.clock.advance(seconds=60)
        await harness.wait_until(
            thread_id, lambda state: state.requests[0].reminded == 1 and not state.pending_messages
        )
        assert sms.sent == []
        harness.clock.advance(seconds=60)
        await harness.wait_until(
            thread_id, lambda state: state.requests[0].escalated == 1 and not state.pending_messages
        )
        assert sorted(to for to, _, _ in sms.sent) == ["sms:+15550002", "sms:+15550003"]
        notices = [event.text for event in await harness.events(thread_id) if isinstance(event, NoticeGiven)]
        expected = [f"{request.code} has no answer yet; I asked {person} by SMS." for person in ("Bob", "Carol")]
        assert sorted(notices) == expected
        await harness.answer_request(request, "approve")
        await harness.wait_until_done(thread_id)
        corrections = [(to, message.card.status) for to, message, _ in sms.sent[2:] if message.card]
        assert sorted(corrections) == [("sms:+15550002", "approved"), ("sms:+15550003", "approved")]
        assert all(card.state == "approved" for card in (await harness.bot.approvals.find_request(request.id)).cards)


async def test_escalation_to_a_missing_channel_is_recorded(database: Database, running_bot) -> None:
    rules = rules_with_terms(escalate=(EscalationStep(after=60, to=Address("person:carol"), via="sms"),))
    async with running_bot(database, ScriptedModel(SHIP, DONE), roster=roster_with_phones(rules)) as harness:
        thread_id = await harness.post_message("ship v1")
        request = await harness.wait_for_request(thread_id)
        harness.clock.advance(minutes=1)
        await harness.wait_until(
            thread_id, lambda state: state.requests[0].escalated == 1 and not state.pending_messages
        )
        assert "MessageUndeliverable" in await harness.event_types(thread_id)
        assert [
            card.address for card in (await harness.bot.approvals.find_request(request.id)).undeliverable_cards
        ] == ["sms:+15550003"]
        notice = (await harness.bot.engine.load(thread_id)).last_notice
        assert notice is not None
        assert notice.text == (
            f"Carol could not be reached by SMS about {request.code}: no channel is configured for sms."
        )
        await harness.answer_request(request, "approve")
        await harness.wait_until_done(thread_id)


async def test_failing_deadline_of_one_thread_does_not_delay_others(database: Database, running_bot) -> None:
    async with running_bot(database, ScriptedModel(SHIP, SHIP, DONE), rules=rules_with_terms(expires=60)) as harness:
        broken = await harness.post_message("ship v1")
        await harness.wait_for_request(broken)
        harness.clock.advance(seconds=1)
        thread_id = await harness.post_message("ship v1")
        await harness.wait_for_request(thread_id)
        await database.transaction(
            lambda connection: connection.execute(text("UPDATE thread SET version = 99 WHERE id = :id"), {"id": broken})
        )
        harness.bot.engine.store.clear_cache()
        harness.clock.advance(seconds=60)
        await harness.wait_until_done(thread_id)
        assert "RequestExpired" in await harness.event_types(thread_id)
