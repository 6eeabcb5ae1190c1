"""Where Slack is one channel among others: escalations, threads opened elsewhere, and what Slack does not take."""

import pytest

from agents.addresses import Address, person
from agents.messages import Heard, Provenance
from agents.policy import Ask, Escalation, Rule
from agents.steps import DoneForNow
from bot.intake import Opening
from storage.database import Database
from tests.bot.slack.overheard import Overheard
from tests.bot.slack.workplace import OPS, Workplace, everywhere, workplace
from tests.fakes.scripted import ScriptedModel
from tests.fakes.slack.faults import Cut
from tests.fakes.slack.message import Message

SHIP = {"intent": "ship", "tag": "v1"}
DONE = DoneForNow(message="Done.")


def escalating(*steps: Escalation) -> tuple[Rule, ...]:
    return (Rule(name="widely", tool="ship", ask=Ask(roles=("release",), escalate=steps, expires=3600)),)


async def opened(work: Workplace, origin: str, text: str = "ship v1") -> str:
    """A thread Alice opened somewhere else, whose replies go to the origin."""
    said = Heard(
        text=text,
        by=person("alice"),
        source=Address("terminal:alice"),
        provenance=Provenance.VERIFIED_PERSON,
        at=work.home.clock.now(),
    )
    opening = Opening(heard=said, requester=person("alice"), origin=Address(origin))
    return (await work.home.bot.intake.open(opening)).after.thread_id


def roots(work: Workplace, channel: str) -> list[Message]:
    return [m for m in work.slack.workspace.in_channel(channel) if m.root == m.ts]


async def test_an_escalation_reaches_everybody_of_a_role_on_slack(database: Database, house) -> None:
    rules = escalating(Escalation(after=60, to=Address("role:release"), via="slack"))
    async with workplace(house, database, ScriptedModel(SHIP, DONE), rules=rules) as work:
        thread = await opened(work, "terminal:alice")
        await work.home.asked(thread)
        await work.later(seconds=60)
        cards = [await who.hears(text="wants to run ship") for who in (work.bob, work.carol)]
        assert [card.message.channel for card in cards] == ["D0BOB", "D0CAROL"]
        await work.home.until(thread, lambda s: s.request and len(s.request.cards) == 3)
        await cards[1].click("Approve", by=work.carol)
        for card in cards:
            await card.settled("approved by Carol Diaz (slack)")
        await work.home.at_rest(thread)


async def test_whoever_comes_late_to_an_escalated_card_is_told_beside_it(database: Database, house) -> None:
    rules = escalating(Escalation(after=60, to=Address("slack:U0BOB")))
    async with workplace(house, database, ScriptedModel(SHIP, DONE), rules=rules) as work:
        thread = await opened(work, "terminal:alice")
        request = await work.home.asked(thread)
        await work.later(seconds=60)
        card = await work.bob.hears(text="wants to run ship")
        await work.home.answers(request, "deny", by="carol")
        await card.settled("denied by Carol Diaz (terminal)")
        await card.click("Approve", by=work.bob)
        note = await work.bob.told("is settled: denied by Carol Diaz (terminal)")
        assert note.message.thread_ts is None
        await work.home.at_rest(thread)


async def test_what_is_said_below_an_escalated_card_is_said_in_its_thread(database: Database, house) -> None:
    rules = escalating(Escalation(after=60, to=Address("slack:U0BOB")))
    async with workplace(house, database, ScriptedModel(SHIP), rules=rules) as work:
        thread = await opened(work, "terminal:alice")
        await work.home.asked(thread)
        await work.later(seconds=60)
        card = await work.bob.hears(text="wants to run ship")
        await work.home.until(thread, lambda s: s.request and len(s.request.cards) == 2)
        await work.bob.replies(card.message, "what is in v1?")
        await work.slack.quiet()
        assert (await work.home.story(thread)).count("MessageReceived") == 2


@everywhere
async def test_a_thread_opened_elsewhere_goes_on_below_its_first_message_in_a_channel(
    database: Database, house
) -> None:
    model = ScriptedModel(DoneForNow(message="Disk is full."), DoneForNow(message="Cleaned."))
    async with workplace(house, database, model) as work:
        work.slack.channel(OPS)
        thread = await opened(work, f"slack:{OPS}", "what is wrong?")
        first = await work.alice.hears(text="Disk is full.")
        state = await work.home.at_rest(thread)
        assert state.origin == f"slack:{OPS}:{first.message.ts}"
        await work.bob.replies(first.message, "clean it")
        await work.later(seconds=1)
        await work.bob.hears(first.message, "Cleaned.")
        assert roots(work, OPS) == [first.message]
        assert await work.thread_of(first.message) == thread


async def test_a_card_that_begins_a_thread_in_a_channel_is_decided_there(database: Database, house) -> None:
    async with workplace(house, database, ScriptedModel(SHIP, DONE)) as work:
        work.slack.channel(OPS)
        thread = await opened(work, f"slack:{OPS}")
        card = await work.bob.hears(text="wants to run ship")
        await work.home.asked(thread)
        await card.click("Approve", by=work.alice)
        await work.alice.told("may decide")
        await card.click("Approve", by=work.bob)
        await card.settled("approved by Bob Ito (slack)")
        await work.later(seconds=1)
        await work.alice.hears(card.message, "Done.")
        await work.home.at_rest(thread)
        assert roots(work, OPS) == [card.message]


async def test_where_nobody_can_be_asked_the_next_are_asked_at_once(database: Database, house) -> None:
    rules = escalating(Escalation(after=1800, to=Address("slack:U0BOB")))
    async with workplace(house, database, ScriptedModel(SHIP, DONE), rules=rules) as work:
        work.slack.channel("C0SECRET", joined=False)
        thread = await opened(work, "slack:C0SECRET")
        card = await work.bob.hears(text="wants to run ship")
        assert "MessageUndeliverable" in await work.home.story(thread)
        await work.home.until(thread, lambda s: s.request and s.request.cards)
        await work.later(seconds=1)
        await work.alice.hears(text="yet; I asked Bob Ito on Slack.")
        await card.click("Approve", by=work.bob)
        await card.settled("approved by Bob Ito (slack)")
        await work.later(seconds=1)
        await work.alice.hears(text="Done.")
        await work.home.at_rest(thread)
        for _ in range(3):
            work.slack.refused("chat.postMessage", "not_in_channel")


@pytest.mark.parametrize("error", ["is_archived", "restricted_action", "thread_locked", "cannot_reply_to_message"])
async def test_a_card_that_slack_refuses_for_good_goes_to_people_directly(
    database: Database, house, error: str
) -> None:
    async with workplace(house, database, ScriptedModel(SHIP, DONE)) as work:
        work.slack.fails("chat.postMessage", error=error)
        root = await work.alice.mentions("ship v1", channel=OPS)
        (bobs, carols) = [await who.hears(text="wants to run ship") for who in (work.bob, work.carol)]
        mine = await work.alice.hears(text="wants to run ship")
        assert [card.message.channel for card in (bobs, mine)] == ["D0BOB", "D0ALICE"]
        assert f"It could not be shown where it was asked: Slack refuses: {error}" in mine.text
        labels = [[c["text"]["text"] for c in card.controls] for card in (bobs, mine)]
        assert labels == [["Approve", "Deny", "Edit"], ["Deny"]]
        await work.home.until(await work.thread_of(root), lambda s: s.request and len(s.request.cards) == 3)
        await bobs.click("Approve", by=work.bob)
        for card in (bobs, carols, mine):
            await card.settled("approved by Bob Ito (slack)")
        await work.later(seconds=1)
        await work.alice.hears(root, "Done.")


async def test_in_an_archived_channel_card_and_reply_reach_the_requester_directly(
    database: Database, house, overheard: Overheard
) -> None:
    async with workplace(house, database, ScriptedModel(SHIP, DONE)) as work:
        channel = work.slack.channel(OPS)
        work.slack.hangs_up("chat.postMessage", "before")
        root = await work.alice.mentions("ship v1", channel=OPS)
        await overheard.until(work, "message_retried")
        channel.archived = True
        await work.later(minutes=1)
        mine = await work.alice.hears(text="wants to run ship")
        bobs = await work.bob.hears(text="wants to run ship")
        await work.carol.hears(text="wants to run ship")
        await work.home.until(await work.thread_of(root), lambda s: s.request and len(s.request.cards) == 3)
        await bobs.click("Deny", by=work.bob)
        await (await work.bob.modal()).submit({})
        await mine.settled("denied by Bob Ito (slack)")
        await work.later(seconds=1)
        reply = await work.alice.hears(text="Done.")
        assert (reply.message.channel, "could not be shown where you asked" in reply.text) == ("D0ALICE", True)
        await work.home.at_rest(await work.thread_of(root))
        work.slack.overlooks_refusals("is_archived")


async def test_a_card_in_the_requesters_own_conversation_offers_no_approval(database: Database, house) -> None:
    async with workplace(house, database, ScriptedModel(SHIP)) as work:
        root = await work.alice.writes("ship v1")
        card = await work.alice.sees(root, approval="ship")
        assert [control["text"]["text"] for control in card.controls] == ["Deny"]


async def test_a_card_in_a_shared_channel_offers_approval_and_refuses_privately(database: Database, house) -> None:
    async with workplace(house, database, ScriptedModel(SHIP)) as work:
        root = await work.alice.mentions("ship v1", channel=OPS)
        card = await work.alice.sees(root, approval="ship")
        for who, why in ((work.alice, "may decide"), (work.eve, "not among those who may decide")):
            await card.click("Approve", by=who)
            await who.told(why)
        assert (await work.home.asked(await work.thread_of(root))).status == "open"


async def test_a_revoked_token_is_named_and_what_waits_leaves_once_it_is_repaired(
    database: Database, house, overheard: Overheard
) -> None:
    async with workplace(house, database, ScriptedModel(DONE)) as work:
        work.slack.channel(OPS)
        work.slack.fails("chat.postMessage", error="token_revoked")
        thread = await opened(work, f"slack:{OPS}", "hi")
        await work.home.until(thread, lambda s: s.status == "done")
        await overheard.until(work, "message_retried")
        assert "token_revoked; run `handrail doctor`" in work.home.bot.troubles["channel:slack"]
        assert (await work.home.bot.engine.load(thread)).outgoing
        await work.later(minutes=1)
        await work.alice.hears(text="Done.")
        await work.home.at_rest(thread)
        assert "channel:slack" not in work.home.bot.troubles


async def test_a_busy_slack_holds_a_message_up_and_it_arrives_once(
    database: Database, house, overheard: Overheard
) -> None:
    async with workplace(house, database, ScriptedModel(DONE)) as work:
        work.slack.fails("chat.postMessage", error="ratelimited", retry_after=30)
        root = await work.alice.mentions("hi", channel=OPS)
        await overheard.until(work, "message_retried")
        await work.later(seconds=31)
        await work.alice.hears(root, "Done.")


async def test_a_channel_that_is_limited_does_not_hold_up_another(
    database: Database, house, overheard: Overheard
) -> None:
    async with workplace(house, database, ScriptedModel(DONE, DONE)) as work:
        work.slack.fails("chat.postMessage", error="ratelimited", retry_after=30)
        first = await work.alice.mentions("hi", channel=OPS)
        await overheard.until(work, "message_retried")
        second = await work.alice.mentions("hi", channel="C0DEV")
        await work.alice.hears(second, "Done.")
        await work.later(seconds=31)
        await work.alice.hears(first, "Done.")


@pytest.mark.parametrize(("status", "page"), [(200, "<html>Busy</html>"), (200, ""), (503, "<html>Busy</html>")])
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_page_in_place_of_json_is_retried_and_the_reply_comes_once(
    database: Database, house, overheard: Overheard, when: Cut, status: int, page: str
) -> None:
    async with workplace(house, database, ScriptedModel(DONE)) as work:
        work.slack.answers_with_a_page("chat.postMessage", when, status=status, page=page)
        root = await work.alice.mentions("hi", channel=OPS)
        await overheard.until(work, "message_retried")
        await work.later(minutes=1)
        await work.alice.hears(root, "Done.")
        await work.home.at_rest(await work.thread_of(root))


async def test_a_message_that_may_have_arrived_is_looked_for_and_not_said_twice(database: Database, house) -> None:
    async with workplace(house, database, ScriptedModel(DONE)) as work:
        work.slack.hangs_up("chat.postMessage", "after")
        root = await work.alice.mentions("hi", channel=OPS)
        await work.alice.hears(root, "Done.")
        await work.later(minutes=1)
        await work.home.at_rest(await work.thread_of(root))
