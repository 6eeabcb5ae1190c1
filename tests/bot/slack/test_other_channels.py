"""Where Slack is one channel among others: escalations, threads opened elsewhere, and what Slack does not take."""

import pytest

from agents.addresses import Address, person_address
from agents.messages import IncomingMessage, Provenance
from agents.policy import ApprovalTerms, EscalationStep, Rule
from agents.steps import DoneForNow
from bot.thread_service import NewThread
from storage.database import Database
from tests.bot.slack.log_capture import LogCapture
from tests.bot.slack.slack_harness import OPS, SlackHarness, on_every_setup, running_slack_bot
from tests.fakes.scripted_model import ScriptedModel
from tests.fakes.slack.faults import CutTiming
from tests.fakes.slack.message import Message

SHIP = {"intent": "ship", "tag": "v1"}
DONE = DoneForNow(message="Done.")


def escalating(*steps: EscalationStep) -> tuple[Rule, ...]:
    return (Rule(name="widely", tool="ship", ask=ApprovalTerms(roles=("release",), escalate=steps, expires=3600)),)


async def opened(work: SlackHarness, origin: str, text: str = "ship v1") -> str:
    """A thread Alice opened somewhere else, whose replies go to the origin."""
    said = IncomingMessage(
        text=text,
        by=person_address("alice"),
        source=Address("terminal:alice"),
        provenance=Provenance.VERIFIED_PERSON,
        at=work.bot.clock.now(),
    )
    opening = NewThread(message=said, requester=person_address("alice"), origin=Address(origin))
    return (await work.bot.bot.threads.open(opening)).after.thread_id


def roots(work: SlackHarness, channel: str) -> list[Message]:
    return [m for m in work.slack.workspace.channel_messages(channel) if m.root_ts == m.ts]


async def test_an_escalation_reaches_everybody_of_a_role_on_slack(database: Database, running_bot) -> None:
    rules = escalating(EscalationStep(after=60, to=Address("role:release"), via="slack"))
    async with running_slack_bot(running_bot, database, ScriptedModel(SHIP, DONE), rules=rules) as work:
        thread = await opened(work, "terminal:alice")
        await work.bot.wait_for_request(thread)
        await work.advance_clock(seconds=60)
        cards = [await who.wait_for_reply(text="wants to run ship") for who in (work.bob, work.carol)]
        assert [card.message.channel for card in cards] == ["D0BOB", "D0CAROL"]
        await work.bot.wait_until(thread, lambda s: s.open_request and len(s.open_request.cards) == 3)
        await cards[1].click("Approve", actor=work.carol)
        for card in cards:
            await card.wait_until_closed("approved by Carol Diaz (slack)")
        await work.bot.wait_until_settled(thread)


async def test_whoever_comes_late_to_an_escalated_card_is_told_beside_it(database: Database, running_bot) -> None:
    rules = escalating(EscalationStep(after=60, to=Address("slack:U0BOB")))
    async with running_slack_bot(running_bot, database, ScriptedModel(SHIP, DONE), rules=rules) as work:
        thread = await opened(work, "terminal:alice")
        request = await work.bot.wait_for_request(thread)
        await work.advance_clock(seconds=60)
        card = await work.bob.wait_for_reply(text="wants to run ship")
        await work.bot.answer_request(request, "deny", person_key="carol")
        await card.wait_until_closed("denied by Carol Diaz (terminal)")
        await card.click("Approve", actor=work.bob)
        note = await work.bob.wait_for_ephemeral("is settled: denied by Carol Diaz (terminal)")
        assert note.message.thread_ts is None
        await work.bot.wait_until_settled(thread)


async def test_what_is_said_below_an_escalated_card_is_said_in_its_thread(database: Database, running_bot) -> None:
    rules = escalating(EscalationStep(after=60, to=Address("slack:U0BOB")))
    async with running_slack_bot(running_bot, database, ScriptedModel(SHIP), rules=rules) as work:
        thread = await opened(work, "terminal:alice")
        await work.bot.wait_for_request(thread)
        await work.advance_clock(seconds=60)
        card = await work.bob.wait_for_reply(text="wants to run ship")
        await work.bot.wait_until(thread, lambda s: s.open_request and len(s.open_request.cards) == 2)
        await work.bob.reply(card.message, "what is in v1?")
        await work.slack.wait_until_quiet()
        assert (await work.bot.event_types(thread)).count("MessageReceived") == 2


@on_every_setup
async def test_a_thread_opened_elsewhere_goes_on_below_its_first_message_in_a_channel(
    database: Database, running_bot
) -> None:
    model = ScriptedModel(DoneForNow(message="Disk is full."), DoneForNow(message="Cleaned."))
    async with running_slack_bot(running_bot, database, model) as work:
        work.slack.add_channel(OPS)
        thread = await opened(work, f"slack:{OPS}", "what is wrong?")
        first = await work.alice.wait_for_reply(text="Disk is full.")
        state = await work.bot.wait_until_settled(thread)
        assert state.origin == f"slack:{OPS}:{first.message.ts}"
        await work.bob.reply(first.message, "clean it")
        await work.advance_clock(seconds=1)
        await work.bob.wait_for_reply(first.message, "Cleaned.")
        assert roots(work, OPS) == [first.message]
        assert await work.thread_id_for(first.message) == thread


async def test_a_card_that_begins_a_thread_in_a_channel_is_decided_there(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel(SHIP, DONE)) as work:
        work.slack.add_channel(OPS)
        thread = await opened(work, f"slack:{OPS}")
        card = await work.bob.wait_for_reply(text="wants to run ship")
        await work.bot.wait_for_request(thread)
        await card.click("Approve", actor=work.alice)
        await work.alice.wait_for_ephemeral("may decide")
        await card.click("Approve", actor=work.bob)
        await card.wait_until_closed("approved by Bob Ito (slack)")
        await work.advance_clock(seconds=1)
        await work.alice.wait_for_reply(card.message, "Done.")
        await work.bot.wait_until_settled(thread)
        assert roots(work, OPS) == [card.message]


async def test_where_nobody_can_be_asked_the_next_are_asked_at_once(database: Database, running_bot) -> None:
    rules = escalating(EscalationStep(after=1800, to=Address("slack:U0BOB")))
    async with running_slack_bot(running_bot, database, ScriptedModel(SHIP, DONE), rules=rules) as work:
        work.slack.add_channel("C0SECRET", has_bot=False)
        thread = await opened(work, "slack:C0SECRET")
        card = await work.bob.wait_for_reply(text="wants to run ship")
        assert "MessageUndeliverable" in await work.bot.event_types(thread)
        await work.bot.wait_until(thread, lambda s: s.open_request and s.open_request.cards)
        await work.advance_clock(seconds=1)
        await work.alice.wait_for_reply(text="yet; I asked Bob Ito on Slack.")
        await card.click("Approve", actor=work.bob)
        await card.wait_until_closed("approved by Bob Ito (slack)")
        await work.advance_clock(seconds=1)
        await work.alice.wait_for_reply(text="Done.")
        await work.bot.wait_until_settled(thread)
        for _ in range(3):
            work.slack.expect_error("chat.postMessage", "not_in_channel")


@pytest.mark.parametrize("error", ["is_archived", "restricted_action", "thread_locked", "cannot_reply_to_message"])
async def test_a_card_that_slack_refuses_for_good_goes_to_people_directly(
    database: Database, running_bot, error: str
) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel(SHIP, DONE)) as work:
        work.slack.fail_next("chat.postMessage", error=error)
        root = await work.alice.mention_bot("ship v1", channel=OPS)
        (bobs, carols) = [await who.wait_for_reply(text="wants to run ship") for who in (work.bob, work.carol)]
        mine = await work.alice.wait_for_reply(text="wants to run ship")
        assert [card.message.channel for card in (bobs, mine)] == ["D0BOB", "D0ALICE"]
        assert f"This could not be shown in its conversation: Slack refuses: {error}" in mine.text
        labels = [[c["text"]["text"] for c in card.controls] for card in (bobs, mine)]
        assert labels == [["Approve", "Deny", "Edit"], ["Deny"]]
        await work.bot.wait_until(
            await work.thread_id_for(root), lambda s: s.open_request and len(s.open_request.cards) == 3
        )
        await bobs.click("Approve", actor=work.bob)
        for card in (bobs, carols, mine):
            await card.wait_until_closed("approved by Bob Ito (slack)")
        await work.advance_clock(seconds=1)
        await work.alice.wait_for_reply(root, "Done.")


async def test_in_an_archived_channel_card_and_reply_reach_the_requester_directly(
    database: Database, running_bot, log_capture: LogCapture
) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel(SHIP, DONE)) as work:
        channel = work.slack.add_channel(OPS)
        work.slack.cut_next("chat.postMessage", "before")
        root = await work.alice.mention_bot("ship v1", channel=OPS)
        await log_capture.wait_for_action(work, "message_retried")
        channel.is_archived = True
        await work.advance_clock(minutes=1)
        mine = await work.alice.wait_for_reply(text="wants to run ship")
        bobs = await work.bob.wait_for_reply(text="wants to run ship")
        await work.carol.wait_for_reply(text="wants to run ship")
        await work.bot.wait_until(
            await work.thread_id_for(root), lambda s: s.open_request and len(s.open_request.cards) == 3
        )
        await bobs.click("Deny", actor=work.bob)
        await (await work.bob.wait_for_modal()).submit({})
        await mine.wait_until_closed("denied by Bob Ito (slack)")
        await work.advance_clock(seconds=1)
        reply = await work.alice.wait_for_reply(text="Done.")
        assert (reply.message.channel, "could not be shown where you asked" in reply.text) == ("D0ALICE", True)
        await work.bot.wait_until_settled(await work.thread_id_for(root))
        work.slack.allow_errors("is_archived")


async def test_a_card_in_the_requesters_own_conversation_offers_no_approval(database: Database, running_bot) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel(SHIP)) as work:
        root = await work.alice.send_direct_message("ship v1")
        card = await work.alice.wait_for_card(root, approval="ship")
        assert [control["text"]["text"] for control in card.controls] == ["Deny"]


async def test_a_card_in_a_shared_channel_offers_approval_and_refuses_privately(
    database: Database, running_bot
) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel(SHIP)) as work:
        root = await work.alice.mention_bot("ship v1", channel=OPS)
        card = await work.alice.wait_for_card(root, approval="ship")
        for who, why in ((work.alice, "may decide"), (work.eve, "not among those who may decide")):
            await card.click("Approve", actor=who)
            await who.wait_for_ephemeral(why)
        assert (await work.bot.wait_for_request(await work.thread_id_for(root))).status == "open"


async def test_a_revoked_token_is_named_and_what_waits_leaves_once_it_is_repaired(
    database: Database, running_bot, log_capture: LogCapture
) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel(DONE)) as work:
        work.slack.add_channel(OPS)
        work.slack.fail_next("chat.postMessage", error="token_revoked")
        thread = await opened(work, f"slack:{OPS}", "hi")
        await work.bot.wait_until(thread, lambda s: s.status == "done")
        await log_capture.wait_for_action(work, "message_retried")
        assert "token_revoked; run `handrail doctor`" in work.bot.bot.channel_errors["channel:slack"]
        assert (await work.bot.bot.engine.load(thread)).pending_messages
        await work.advance_clock(minutes=1)
        await work.alice.wait_for_reply(text="Done.")
        await work.bot.wait_until_settled(thread)
        assert "channel:slack" not in work.bot.bot.channel_errors


async def test_a_busy_slack_holds_a_message_up_and_it_arrives_once(
    database: Database, running_bot, log_capture: LogCapture
) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel(DONE)) as work:
        work.slack.fail_next("chat.postMessage", error="ratelimited", retry_after=30)
        root = await work.alice.mention_bot("hi", channel=OPS)
        await log_capture.wait_for_action(work, "message_retried")
        await work.advance_clock(seconds=31)
        await work.alice.wait_for_reply(root, "Done.")


async def test_a_channel_that_is_limited_does_not_hold_up_another(
    database: Database, running_bot, log_capture: LogCapture
) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel(DONE, DONE)) as work:
        work.slack.fail_next("chat.postMessage", error="ratelimited", retry_after=30)
        first = await work.alice.mention_bot("hi", channel=OPS)
        await log_capture.wait_for_action(work, "message_retried")
        second = await work.alice.mention_bot("hi", channel="C0DEV")
        await work.alice.wait_for_reply(second, "Done.")
        await work.advance_clock(seconds=31)
        await work.alice.wait_for_reply(first, "Done.")


@pytest.mark.parametrize(("status", "page"), [(200, "<html>Busy</html>"), (200, ""), (503, "<html>Busy</html>")])
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_page_in_place_of_json_is_retried_and_the_reply_comes_once(
    database: Database, running_bot, log_capture: LogCapture, when: CutTiming, status: int, page: str
) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel(DONE)) as work:
        work.slack.answer_next_with_page("chat.postMessage", when, status=status, page=page)
        root = await work.alice.mention_bot("hi", channel=OPS)
        await log_capture.wait_for_action(work, "message_retried")
        await work.advance_clock(minutes=1)
        await work.alice.wait_for_reply(root, "Done.")
        await work.bot.wait_until_settled(await work.thread_id_for(root))


async def test_a_message_that_may_have_arrived_is_looked_for_and_not_said_twice(
    database: Database, running_bot
) -> None:
    async with running_slack_bot(running_bot, database, ScriptedModel(DONE)) as work:
        work.slack.cut_next("chat.postMessage", "after")
        root = await work.alice.mention_bot("hi", channel=OPS)
        await work.alice.wait_for_reply(root, "Done.")
        await work.advance_clock(minutes=1)
        await work.bot.wait_until_settled(await work.thread_id_for(root))
