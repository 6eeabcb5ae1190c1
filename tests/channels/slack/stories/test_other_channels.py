"""Slack together with other channels: escalations, threads from other channels, and failed deliveries."""

from functools import partial

import pytest

from agents.core.messages import Assurance, IncomingMessage, Provenance
from agents.core.policy import ApprovalTerms, EscalationStep, Rule
from agents.core.steps import DoneForNow
from agents.core.values import Address, person_address
from bot.services.threads import NewThread
from storage.database.database import Database
from tests.channels.slack.stories.log_capture import LogCapture
from tests.fakes.clock import FakeClock
from tests.fakes.http_server import running_http_server
from tests.fakes.scripted_model import ScriptedModel
from tests.fakes.slack.faults import CutTiming
from tests.fakes.slack.message import Message
from tests.fakes.slack.slack import fake_slack
from tests.fakes.twilio.account import FakeTwilio
from tests.fakes.twilio.phones import Phone, Webhooks
from tests.harness.people import PHONE_NUMBERS, SLACK_PEOPLE, with_addresses
from tests.harness.slack import OPS, SlackHarness, on_every_setup, running_slack_bot, slack_bot_in
from tests.harness.sms import PUBLIC_URL, build_sms_plugin, post_to_plugin
from tests.slow_cases import slow

SHIP = {"intent": "ship", "tag": "v1"}
DONE = DoneForNow(message="Done.")
PEOPLE_WITH_PHONES = with_addresses(SLACK_PEOPLE, bob=("slack:T0TEAM/U0BOB", f"sms:{PHONE_NUMBERS['bob']}"))


def escalation_rules(*steps: EscalationStep) -> tuple[Rule, ...]:
    return (Rule(name="release", tool="ship", ask=ApprovalTerms(roles=("release",), escalate=steps, expires=3600)),)


async def open_thread(harness: SlackHarness, origin: str, text: str = "ship v1") -> str:
    """Open a thread as Alice on the terminal, with replies to `origin`; return its id."""
    message = IncomingMessage(
        text=text,
        by=person_address("alice"),
        source=Address("terminal:alice"),
        provenance=Provenance.VERIFIED_PERSON,
        at=harness.bot_harness.clock.now(),
    )
    new_thread = NewThread(message=message, requester=person_address("alice"), origin=Address(origin))
    return (await harness.bot_harness.bot.threads.open(new_thread)).after.thread_id


def root_messages(harness: SlackHarness, channel: str) -> list[Message]:
    return [m for m in harness.slack.workspace.channel_messages(channel) if m.root_ts == m.ts]


async def test_escalation_reaches_all_people_of_a_role_on_slack(database: Database, running_bot) -> None:
    rules = escalation_rules(EscalationStep(after=60, to=Address("role:release"), via="slack"))
    async with running_slack_bot(running_bot, database, ScriptedModel(SHIP, DONE), rules=rules) as harness:
        thread_id = await open_thread(harness, "terminal:alice")
        await harness.bot_harness.wait_for_request(thread_id)
        await harness.advance_clock(seconds=60)
        cards = [await person.wait_for_reply(text="wants to run ship") for person in (harness.bob, harness.carol)]
        assert [card.message.channel for card in cards] == ["D0BOB", "D0CAROL"]
        await harness.bot_harness.wait_until(
            thread_id, lambda state: state.open_request and len(state.open_request.cards) == 3
        )
        await cards[1].click("Approve", actor=harness.carol)
        for card in cards:
            await card.wait_until_closed("approved by Carol Diaz (slack)")
        await harness.bot_harness.wait_until_done(thread_id)


async def test_late_click_on_an_escalated_card_is_explained(database: Database, running_bot) -> None:
    rules = escalation_rules(EscalationStep(after=60, to=Address("slack:U0BOB")))
    async with running_slack_bot(running_bot, database, ScriptedModel(SHIP, DONE), rules=rules) as harness:
        thread_id = await open_thread(harness, "terminal:alice")
        request = await harness.bot_harness.wait_for_request(thread_id)
        await harness.advance_clock(seconds=60)
        card = await harness.bob.wait_for_reply(text="wants to run ship")
        await harness.bot_harness.answer_request(request, "deny", person_key="carol")
        await card.wait_until_closed("denied by Carol Diaz (terminal)")
        await card.click("Approve", actor=harness.bob)
        reply = await harness.bob.wait_for_ephemeral("is settled: denied by Carol Diaz (terminal)")
        assert reply.message.thread_ts is None
        await harness.bot_harness.wait_until_done(thread_id)


async def test_reply_to_an_escalated_card_reaches_its_thread(database: Database, running_bot) -> None:
    rules = escalation_rules(EscalationStep(after=60, to=Address("slack:U0BOB")))
    async with running_slack_bot(running_bot, database, ScriptedModel(SHIP), rules=rules) as harness:
        thread_id = await open_thread(harness, "terminal:alice")
        await harness.bot_harness.wait_for_request(thread_id)
        await harness.advance_clock(seconds=60)
        card = await harness.bob.wait_for_reply(text="wants to run ship")
        await harness.bot_harness.wait_until(
            thread_id, lambda state: state.open_request and len(state.open_request.cards) == 2
        )
        await harness.bob.reply(card.message, "what is in v1?")
        await harness.slack.wait_until_quiet()
        assert (await harness.bot_harness.event_types(thread_id)).count("MessageReceived") == 2


@on_every_setup
async def test_thread_of_another_channel_continues_below_its_slack_message(database: Database, running_bot) -> None:
    model = ScriptedModel(DoneForNow(message="Disk is full."), DoneForNow(message="Cleaned."))
    async with running_slack_bot(running_bot, database, model) as harness:
        harness.slack.add_channel(OPS)
        thread_id = await open_thread(harness, f"slack:{OPS}", "what is wrong?")
        first = await harness.alice.wait_for_reply(text="Disk is full.")
        state = await harness.bot_harness.wait_until_done(thread_id)
        assert state.origin == f"slack:{OPS}:{first.message.ts}"
        await harness.bob.reply(first.message, "clean it")
        await harness.advance_clock(seconds=1)
        await harness.bob.wait_for_reply(first.message, "Cleaned.")
        assert root_messages(harness, OPS) == [first.message]
        assert await harness.thread_id_for(first.message) == thread_id


async def test_card_that_starts_a_slack_thread_is_decided_there(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel(SHIP, DONE)) as harness:
        harness.slack.add_channel(OPS)
        thread_id = await open_thread(harness, f"slack:{OPS}")
        card = await harness.bob.wait_for_reply(text="wants to run ship")
        await harness.bot_harness.wait_for_request(thread_id)
        await card.click("Approve", actor=harness.alice)
        await harness.alice.wait_for_ephemeral("not allowed to decide")
        await card.click("Approve", actor=harness.bob)
        await card.wait_until_closed("approved by Bob Ito (slack)")
        await harness.advance_clock(seconds=1)
        await harness.alice.wait_for_reply(card.message, "Done.")
        await harness.bot_harness.wait_until_done(thread_id)
        assert root_messages(harness, OPS) == [card.message]


async def test_undeliverable_card_escalates_at_once(database: Database, running_bot) -> None:
    rules = escalation_rules(EscalationStep(after=1800, to=Address("slack:U0BOB")))
    async with running_slack_bot(running_bot, database, ScriptedModel(SHIP, DONE), rules=rules) as harness:
        harness.slack.add_channel("C0SECRET", has_bot=False)
        thread_id = await open_thread(harness, "slack:C0SECRET")
        card = await harness.bob.wait_for_reply(text="wants to run ship")
        assert "MessageUndeliverable" in await harness.bot_harness.event_types(thread_id)
        await harness.bot_harness.wait_until(thread_id, lambda state: state.open_request and state.open_request.cards)
        await harness.advance_clock(seconds=1)
        await harness.alice.wait_for_reply(text="yet; I asked Bob Ito on Slack.")
        await card.click("Approve", actor=harness.bob)
        await card.wait_until_closed("approved by Bob Ito (slack)")
        await harness.advance_clock(seconds=1)
        await harness.alice.wait_for_reply(text="Done.")
        await harness.bot_harness.wait_until_done(thread_id)
        for _ in range(3):
            harness.slack.assert_error_occurred("chat.postMessage", "not_in_channel")


@pytest.mark.parametrize("error", ["is_archived", "restricted_action", "thread_locked", "cannot_reply_to_message"])
async def test_rejected_card_is_sent_to_people_directly(database: Database, running_bot, error: str) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel(SHIP, DONE)) as harness:
        harness.slack.fail_next("chat.postMessage", error=error)
        root = await harness.alice.mention_bot("ship v1", channel=OPS)
        (bob_card, carol_card) = [
            await person.wait_for_reply(text="wants to run ship") for person in (harness.bob, harness.carol)
        ]
        alice_card = await harness.alice.wait_for_reply(text="wants to run ship")
        assert [card.message.channel for card in (bob_card, alice_card)] == ["D0BOB", "D0ALICE"]
        assert f"This could not be shown in its conversation: Slack rejected the call: {error}" in alice_card.text
        labels = [[c["text"]["text"] for c in card.controls] for card in (bob_card, alice_card)]
        assert labels == [["Approve", "Deny", "Edit"], ["Deny"]]
        await harness.bot_harness.wait_until(
            await harness.thread_id_for(root), lambda state: state.open_request and len(state.open_request.cards) == 3
        )
        await bob_card.click("Approve", actor=harness.bob)
        for card in (bob_card, carol_card, alice_card):
            await card.wait_until_closed("approved by Bob Ito (slack)")
        await harness.advance_clock(seconds=1)
        await harness.alice.wait_for_reply(root, "Done.")


async def test_archived_channel_sends_card_and_reply_to_the_requester(
    database: Database, running_bot, log_capture: LogCapture
) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel(SHIP, DONE)) as harness:
        channel = harness.slack.add_channel(OPS)
        harness.slack.cut_next("chat.postMessage", "before")
        root = await harness.alice.mention_bot("ship v1", channel=OPS)
        await log_capture.wait_for_log_event(harness, "delivery_retried")
        channel.is_archived = True
        await harness.advance_clock(minutes=1)
        alice_card = await harness.alice.wait_for_reply(text="wants to run ship")
        bob_card = await harness.bob.wait_for_reply(text="wants to run ship")
        await harness.carol.wait_for_reply(text="wants to run ship")
        await harness.bot_harness.wait_until(
            await harness.thread_id_for(root), lambda state: state.open_request and len(state.open_request.cards) == 3
        )
        await bob_card.click("Deny", actor=harness.bob)
        await (await harness.bob.wait_for_modal()).submit({})
        await alice_card.wait_until_closed("denied by Bob Ito (slack)")
        await harness.advance_clock(seconds=1)
        reply = await harness.alice.wait_for_reply(text="Done.")
        assert (reply.message.channel, "could not be shown where you asked" in reply.text) == ("D0ALICE", True)
        await harness.bot_harness.wait_until_done(await harness.thread_id_for(root))
        harness.slack.allow_errors("is_archived")


async def test_card_in_a_direct_message_to_the_requester_has_no_approve_button(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel(SHIP)) as harness:
        root = await harness.alice.send_direct_message("ship v1")
        card = await harness.alice.wait_for_card(root, approval="ship")
        assert [control["text"]["text"] for control in card.controls] == ["Deny"]


async def test_click_of_an_unauthorized_user_is_rejected_privately(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel(SHIP)) as harness:
        root = await harness.alice.mention_bot("ship v1", channel=OPS)
        card = await harness.alice.wait_for_card(root, approval="ship")
        for person, reason in ((harness.alice, "not allowed to decide"), (harness.eve, "not allowed to decide")):
            await card.click("Approve", actor=person)
            await person.wait_for_ephemeral(reason)
        assert (await harness.bot_harness.wait_for_request(await harness.thread_id_for(root))).status == "open"


async def test_revoked_token_is_reported_and_messages_are_sent_later(
    database: Database, running_bot, log_capture: LogCapture
) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel(DONE)) as harness:
        harness.slack.add_channel(OPS)
        harness.slack.fail_next("chat.postMessage", error="token_revoked")
        thread_id = await open_thread(harness, f"slack:{OPS}", "hi")
        await harness.bot_harness.wait_until(thread_id, lambda state: state.status == "done")
        await log_capture.wait_for_log_event(harness, "delivery_retried")
        assert "token_revoked; run `handrail doctor`" in harness.bot_harness.bot.channel_errors["channel:slack"]
        assert (await harness.bot_harness.bot.engine.load(thread_id)).pending_messages
        await harness.advance_clock(minutes=1)
        await harness.alice.wait_for_reply(text="Done.")
        await harness.bot_harness.wait_until_done(thread_id)
        assert "channel:slack" not in harness.bot_harness.bot.channel_errors


async def test_rate_limited_message_is_sent_later_once(
    database: Database, running_bot, log_capture: LogCapture
) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel(DONE)) as harness:
        harness.slack.fail_next("chat.postMessage", error="ratelimited", retry_after=30)
        root = await harness.alice.mention_bot("hi", channel=OPS)
        await log_capture.wait_for_log_event(harness, "delivery_retried")
        await harness.advance_clock(seconds=31)
        await harness.alice.wait_for_reply(root, "Done.")


async def test_rate_limited_channel_does_not_delay_another(
    database: Database, running_bot, log_capture: LogCapture
) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel(DONE, DONE)) as harness:
        harness.slack.fail_next("chat.postMessage", error="ratelimited", retry_after=30)
        first = await harness.alice.mention_bot("hi", channel=OPS)
        await log_capture.wait_for_log_event(harness, "delivery_retried")
        second = await harness.alice.mention_bot("hi", channel="C0DEV")
        await harness.alice.wait_for_reply(second, "Done.")
        await harness.advance_clock(seconds=31)
        await harness.alice.wait_for_reply(first, "Done.")


@pytest.mark.parametrize(
    ("status", "page"),
    [(200, "<html>Busy</html>"), pytest.param(200, "", marks=slow), pytest.param(503, "<html>Busy</html>", marks=slow)],
)
@pytest.mark.parametrize("timing", ["before", "after"])
async def test_html_response_is_retried_and_the_reply_arrives_once(
    database: Database, running_bot, log_capture: LogCapture, timing: CutTiming, status: int, page: str
) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel(DONE)) as harness:
        harness.slack.answer_next_with_page("chat.postMessage", timing, status=status, page=page)
        root = await harness.alice.mention_bot("hi", channel=OPS)
        await log_capture.wait_for_log_event(harness, "delivery_retried")
        await harness.advance_clock(minutes=1)
        await harness.alice.wait_for_reply(root, "Done.")
        await harness.bot_harness.wait_until_done(await harness.thread_id_for(root))


async def test_message_that_may_have_arrived_is_not_sent_twice(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel(DONE)) as harness:
        harness.slack.cut_next("chat.postMessage", "after")
        root = await harness.alice.mention_bot("hi", channel=OPS)
        await harness.alice.wait_for_reply(root, "Done.")
        await harness.advance_clock(minutes=1)
        await harness.bot_harness.wait_until_done(await harness.thread_id_for(root))


@on_every_setup
async def test_card_without_an_answer_for_five_minutes_is_approved_by_sms(database: Database, running_bot) -> None:
    step = EscalationStep(after=300, to=Address("person:bob"), via="sms")
    ask = ApprovalTerms(roles=("release",), escalate=(step,), expires=3600, min_assurance=Assurance.LOW)
    rules, model = (Rule(name="release", tool="ship", ask=ask),), ScriptedModel(SHIP, DONE)
    clock = FakeClock()
    twilio = FakeTwilio(clock.now)
    async with running_http_server(twilio.handle) as port, fake_slack(clock) as slack:
        plugins = {"sms": build_sms_plugin(twilio, clock, port)}
        settings = {"rules": rules, "other_plugins": plugins, "people": PEOPLE_WITH_PHONES}
        async with slack_bot_in(slack, running_bot, database, model, **settings) as harness:
            webhooks = Webhooks(twilio, PUBLIC_URL, partial(post_to_plugin, plugins["sms"], harness.bot_harness))
            bob = Phone(PHONE_NUMBERS["bob"], webhooks)
            root = await harness.alice.mention_bot("ship v1", channel=OPS)
            card = await harness.bob.wait_for_card(root, approval="ship")
            await harness.advance_clock(seconds=299)
            assert bob.inbox == []
            await harness.advance_clock(seconds=1)
            sms = await bob.wait_for_sms("ship", "tag=v1")
            await harness.alice.wait_for_reply(root, "I asked Bob Ito by SMS")
            await bob.write(f"{sms.body[:5].lower()} ok")
            await card.wait_until_closed("approved by Bob Ito (sms)")
            await harness.advance_clock(seconds=5)  # Slack takes one message each second
            await harness.alice.wait_for_reply(root, "Done.")
            assert [action for _, action in harness.bot_harness.tool_call_recorder.runs] == ["ship v1"]
