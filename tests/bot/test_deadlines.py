"""Deadlines in the engine: reminders, escalations and expiries on a clock that a test turns."""

import pytest
from sqlalchemy import text

from agents.addresses import Address
from agents.agent import Agent
from agents.errors import AlreadySettled
from agents.events import NoticeGiven
from agents.people import People
from agents.policy import Ask, Escalation, Policy, Rule
from agents.steps import DoneForNow
from bot.answer_notes import answer_note
from bot.roster import Roster
from channels.registry import by_scheme
from storage.database import Database
from tests.fakes.scripted import ScriptedModel
from tests.houses import PEOPLE, RecordingChannel, Workshop, tools_of

SHIP = {"intent": "ship", "tag": "v1"}
DONE = DoneForNow(message="Done.")


def asking(**terms) -> tuple[Rule, ...]:
    return (Rule(name="test", tool="ship", ask=Ask(roles=("release",), **terms)),)


def with_phones(rules: tuple[Rule, ...]) -> Roster:
    """The house's roster under these rules, where Bob and Carol have numbers."""
    numbers = {"bob": Address("sms:+15550002"), "carol": Address("sms:+15550003")}
    everybody = tuple(
        who.model_copy(update={"addresses": (*who.addresses, numbers[who.key])}) if who.key in numbers else who
        for who in PEOPLE.everybody
    )
    helper = Agent(name="helper", purpose="helps", instructions="Help.", tools=tools_of(Workshop()))
    return Roster({"helper": helper}, Policy(rules=rules, people=People(everybody=everybody)))


async def test_a_timeout_runs_nothing_and_is_told_as_a_timeout(database: Database, house) -> None:
    model = ScriptedModel(SHIP, DONE)
    async with house(database, model, rules=asking(expires=1800)) as home:
        thread = await home.says("ship v1")
        request = await home.asked(thread)
        home.clock.advance(minutes=30)
        await home.at_rest(thread)
        assert "a timeout, not a refusal" in model.turns[-1].prompt.user
        assert home.workshop.done == []
        with pytest.raises(AlreadySettled, match="nobody answered in time"):
            await home.answers(request, "approve")
        settled = await home.bot.deciding.find(request.id)
        assert (settled.status, settled.cards[0].state) == ("expired", "expired")


async def test_an_answer_a_moment_before_the_end_counts_and_one_at_the_end_does_not(database: Database, house) -> None:
    async with house(database, ScriptedModel(SHIP, DONE), rules=asking(expires=60)) as home:
        thread = await home.says("ship v1")
        request = await home.asked(thread)
        home.clock.advance(seconds=59.999)
        await home.answers(request, "approve")
        await home.at_rest(thread)
        assert len(home.workshop.done) == 1


async def test_a_clock_that_was_down_over_the_end_reports_it_at_the_next_start(database_url: str, house) -> None:
    async with house(Database.open(database_url), ScriptedModel(SHIP), rules=asking(expires=60)) as home:
        thread = await home.says("ship v1")
        await home.asked(thread)
        clock = home.clock
    clock.advance(days=2)
    async with house(Database.open(database_url), ScriptedModel(DONE), clock=clock, run="b") as home:
        await home.at_rest(thread)
        assert (await home.story(thread)).count("RequestExpired") == 1


async def test_with_halt_the_thread_fails_at_the_end_and_a_message_re_opens_it(database: Database, house) -> None:
    async with house(database, ScriptedModel(SHIP, DONE), rules=asking(expires=60, on_expire="halt")) as home:
        thread = await home.says("ship v1")
        await home.asked(thread)
        home.clock.advance(minutes=1)
        await home.at_rest(thread, "failed")
        await home.says("go on", thread=thread)
        await home.at_rest(thread)


async def test_with_hold_the_thread_pauses_and_an_approval_resumes_it(database: Database, house) -> None:
    async with house(database, ScriptedModel(SHIP, DONE), rules=asking(expires=60, on_expire="hold")) as home:
        thread = await home.says("ship v1")
        request = await home.asked(thread)
        home.clock.advance(minutes=1)
        await home.until(thread, lambda s: s.status == "paused")
        home.clock.advance(days=3)
        await home.answers(request, "approve")
        await home.at_rest(thread)
        assert len(home.workshop.done) == 1


@pytest.mark.parametrize("first", ["the pause", "the expiry"])
async def test_an_approval_leaves_the_pause_of_a_person_and_says_so(database: Database, house, first: str) -> None:
    async with house(database, ScriptedModel(SHIP, DONE), rules=asking(expires=60, on_expire="hold")) as home:
        thread = await home.says("ship v1")
        request = await home.asked(thread)
        if first == "the pause":
            await home.bot.steering.pause(thread, Address("person:alice"))
        home.clock.advance(minutes=1)
        await home.until(thread, lambda s: s.request and s.request.held)
        if first == "the expiry":
            await home.bot.steering.pause(thread, Address("person:alice"))
        recorded = await home.answers(request, "approve")
        assert answer_note(recorded, request.id) == (
            f"Your answer counts, but the thread is paused by Alice. Resume it with `handrail threads resume {thread}`."
        )
        assert (recorded.after.status, home.workshop.done) == ("paused", [])
        await home.bot.steering.resume(thread, Address("person:alice"))
        await home.at_rest(thread)
        assert len(home.workshop.done) == 1


async def test_a_message_while_a_request_is_open_gets_one_line(database: Database, house) -> None:
    async with house(database, ScriptedModel(SHIP), rules=asking(quorum=2)) as home:
        thread = await home.says("ship v1")
        request = await home.asked(thread)
        await home.says("ok", thread=thread)
        state = await home.until(thread, lambda s: s.last_notice and not s.outgoing)
        (notice,) = [event for event in await home.log(thread) if isinstance(event, NoticeGiven)]
        assert notice.text.startswith(f"{request.code} still waits for release (")
        assert f"0 of 2, until 09:30 UTC; /approve {request.code}. A message never approves." in notice.text
        assert (notice.to, state.status, state.request) == ("terminal:alice", "waiting_for_human", request)
        await home.check_replay(thread)


async def test_a_reminder_shows_the_card_again_and_an_escalation_shows_it_to_others_elsewhere(
    database: Database, house
) -> None:
    terms = asking(remind=(60,), escalate=(Escalation(after=120, to=Address("role:release"), via="sms"),))
    sms = RecordingChannel("sms")
    channels = {**by_scheme(), "sms": sms}
    roster = with_phones(terms)
    async with house(database, ScriptedModel(SHIP, DONE), roster=roster, channels=channels) as home:
        thread = await home.says("ship v1")
        request = await home.asked(thread)
        home.clock.advance(seconds=60)
        await home.until(thread, lambda s: s.requests[0].reminded == 1 and not s.outgoing)
        assert sms.sent == []
        home.clock.advance(seconds=60)
        await home.until(thread, lambda s: s.requests[0].escalated == 1 and not s.outgoing)
        assert sorted(to for to, _, _ in sms.sent) == ["sms:+15550002", "sms:+15550003"]
        told = [event.text for event in await home.log(thread) if isinstance(event, NoticeGiven)]
        asked = [f"Nobody answered {request.code} yet; I asked {who} by SMS." for who in ("Bob", "Carol")]
        assert sorted(told) == asked
        await home.answers(request, "approve")
        await home.at_rest(thread)
        corrections = [(to, message.card.status) for to, message, _ in sms.sent[2:] if message.card]
        assert sorted(corrections) == [("sms:+15550002", "approved"), ("sms:+15550003", "approved")]
        assert all(card.state == "approved" for card in (await home.bot.deciding.find(request.id)).cards)


async def test_an_escalation_to_a_channel_that_is_not_here_is_written_down_and_stops_nothing(
    database: Database, house
) -> None:
    terms = asking(escalate=(Escalation(after=60, to=Address("person:carol"), via="sms"),))
    async with house(database, ScriptedModel(SHIP, DONE), roster=with_phones(terms)) as home:
        thread = await home.says("ship v1")
        request = await home.asked(thread)
        home.clock.advance(minutes=1)
        await home.until(thread, lambda s: s.requests[0].escalated == 1 and not s.outgoing)
        assert "MessageUndeliverable" in await home.story(thread)
        assert [card.address for card in (await home.bot.deciding.find(request.id)).lost_cards] == ["sms:+15550003"]
        told = (await home.bot.engine.load(thread)).last_notice
        assert told is not None
        assert told.text == (
            f"Carol could not be reached by SMS about {request.code}: no channel here takes messages to sms."
        )
        await home.answers(request, "approve")
        await home.at_rest(thread)


async def test_a_deadline_is_kept_when_others_that_are_due_cannot_be_reported(database: Database, house) -> None:
    async with house(database, ScriptedModel(SHIP, SHIP, DONE), rules=asking(expires=60)) as home:
        broken = await home.says("ship v1")
        await home.asked(broken)
        home.clock.advance(seconds=1)
        thread = await home.says("ship v1")
        await home.asked(thread)
        await database.run(lambda c: c.execute(text("UPDATE thread SET version = 99 WHERE id = :id"), {"id": broken}))
        home.bot.engine.threads.forget()
        home.clock.advance(seconds=60)
        await home.at_rest(thread)
        assert "RequestExpired" in await home.story(thread)
