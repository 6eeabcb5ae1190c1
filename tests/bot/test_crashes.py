"""A process ends between two writes: nothing is lost, nothing is repeated that must not be (DESIGN §3.4).

The real kill -9 of real processes is in tests/scenarios and test_take_over.py; here the worker alone dies, so that
every class of effect can be met on both sides of its deed.
"""

import asyncio
import threading

import pytest

from agents.addresses import person
from agents.errors import NotAllowed, ToolError, Unreachable
from agents.policy import Ask, Rule
from agents.steps import DoneForNow
from bot.running import MOST_ATTEMPTS
from storage.database import Database
from tests.fakes.clock import FakeClock
from tests.fakes.scripted import ScriptedModel
from tests.houses import RecordingChannel, Workshop

DONE = DoneForNow(message="Done.")


class DyingWorkshop(Workshop):
    """A workshop in which the first deed never reports: it happened, or it did not."""

    def __init__(self, *, happened: bool) -> None:
        super().__init__()
        self.begun, self.released = threading.Event(), threading.Event()
        self._happened, self._first = happened, True

    def do(self, key: str, what: str):
        if not self._first:
            return super().do(key, what)
        self._first = False
        if self._happened:
            self.done.append((key, what))
        self.begun.set()
        self.released.wait(30)
        raise ToolError("nobody is left to hear this")


async def crash(
    house, database_url: str, intent: str, *, happened: bool, cancelled: bool = False
) -> tuple[str, DyingWorkshop]:
    """Run a thread until its tool is in the middle of its work, then let the worker die without a word.

    Perhaps somebody cancels it before another worker comes.
    """
    workshop = DyingWorkshop(happened=happened)
    database = Database.open(database_url)
    async with house(database, ScriptedModel({"intent": intent}), workshop=workshop) as home:
        thread = await home.says("go")
        await asyncio.to_thread(workshop.begun.wait, 20)
        await home.dies()
        workshop.released.set()
        assert (await home.story(thread))[-1] == "ToolStarted"
        if cancelled:
            await home.bot.steering.cancel(thread, person("bob"))
    return thread, workshop


def keys(workshop: Workshop) -> set[str]:
    return {key for key, _ in workshop.done}


@pytest.mark.parametrize("happened", [True, False])
async def test_a_read_interrupted_by_a_crash_is_read_again(database_url: str, happened, house) -> None:
    thread, workshop = await crash(house, database_url, "look", happened=happened)
    async with house(Database.open(database_url), ScriptedModel(DONE), workshop=workshop, run="b") as home:
        await home.at_rest(thread)
        assert len(workshop.done) == 1 + happened
        await home.check_replay(thread)


@pytest.mark.parametrize("happened", [True, False])
async def test_a_verifiable_deed_is_looked_for_before_it_is_done_again(database_url: str, happened, house) -> None:
    thread, workshop = await crash(house, database_url, "move", happened=happened)
    async with house(Database.open(database_url), ScriptedModel(DONE), workshop=workshop, run="b") as home:
        await home.at_rest(thread)
        assert len(workshop.done) == 1
        assert "ToolSucceeded" in await home.story(thread)


@pytest.mark.parametrize(
    ("told", "deeds"), [("ran", 1), ("did not run", 1), ("run again", 2)], ids=["ran", "did-not-run", "run-again"]
)
async def test_a_deed_nobody_can_look_for_is_asked_about_and_never_repeated_unasked(
    database_url: str, told, deeds, house
) -> None:
    thread, workshop = await crash(house, database_url, "pay", happened=True)
    async with house(Database.open(database_url), ScriptedModel(DONE), workshop=workshop, run="b") as home:
        request = await home.asked(thread)
        assert request.choices == ("ran", "did not run", "run again")
        assert len(workshop.done) == 1
        await home.answers(request, "answer", text=told)
        await home.at_rest(thread)
        assert len(workshop.done) == deeds
        assert len(keys(workshop)) == 1
        assert "ToolOutcomeUnknown" in await home.story(thread)


async def test_an_approval_outlives_the_process_that_asked(database_url: str, house) -> None:
    ship = {"intent": "ship", "tag": "v1"}
    async with house(Database.open(database_url), ScriptedModel(ship)) as home:
        thread = await home.says("ship v1")
        request = await home.asked(thread)
    async with house(Database.open(database_url), ScriptedModel(DONE), run="b") as home:
        await home.answers(request, "approve")
        await home.at_rest(thread)
        assert [what for _, what in home.workshop.done] == ["ship v1"]
        await home.check_replay(thread)


async def test_a_message_accepted_but_not_yet_worked_on_is_worked_on_after_the_restart(
    database_url: str, house
) -> None:
    async with house(Database.open(database_url), ScriptedModel()) as home:
        await home.dies()
        thread = await home.says("hello")
    async with house(Database.open(database_url), ScriptedModel(DONE), run="b") as home:
        await home.at_rest(thread)


async def test_a_card_that_was_not_sent_before_the_crash_is_sent_after_it(database_url: str, house) -> None:
    away, back = RecordingChannel("terminal"), RecordingChannel("terminal")
    away.trouble = [Unreachable("away")]
    ship = ScriptedModel({"intent": "ship", "tag": "v1"})
    async with house(Database.open(database_url), ship, channels={"terminal": away}) as home:
        thread = await home.says("ship v1")
        await home.until(thread, lambda s: s.request)
    async with house(Database.open(database_url), ScriptedModel(), channels={"terminal": back}, run="b") as home:
        home.clock.advance(seconds=1)  # a job that is to be tried again keeps its time over a restart
        request = await home.asked(thread)
        assert [card.address for card in request.cards] == ["terminal:alice"]
        assert [message.card.code for _, message, _ in back.sent if message.card] == [request.code]


async def test_a_tool_whose_other_side_is_away_is_tried_again_with_the_same_key_and_back_off(
    database: Database, house
) -> None:
    clock, workshop = FakeClock(), Workshop()
    workshop.trouble = [Unreachable("the forge is away"), Unreachable("still away")]
    async with house(database, ScriptedModel({"intent": "look"}, DONE), clock=clock, workshop=workshop) as home:
        thread = await home.says("look")
        for seconds in (1, 2):
            state = await home.until(thread, lambda s: s.status == "waiting_for_time")
            assert state.call is not None
            assert (state.call.retry_at - clock.now()).total_seconds() == seconds
            version = state.version
            clock.advance(seconds=seconds)
            await home.until(thread, lambda s, v=version: s.version > v)
        await home.at_rest(thread)
        assert len(workshop.done) == 1
        assert (await home.story(thread)).count("ToolStarted") == MOST_ATTEMPTS


async def test_a_tool_that_stays_away_fails_after_three_attempts_and_the_model_is_told(
    database: Database, house
) -> None:
    clock, workshop = FakeClock(), Workshop()
    workshop.trouble = [Unreachable("the forge is away")] * 5
    model = ScriptedModel({"intent": "look"}, DONE)
    async with house(database, model, clock=clock, workshop=workshop) as home:
        thread = await home.says("look")
        for seconds in (1, 2):
            state = await home.until(thread, lambda s: s.status == "waiting_for_time")
            clock.advance(seconds=seconds)
            await home.until(thread, lambda s, v=state.version: s.version > v)
        await home.at_rest(thread)
        assert "the forge is away" in model.turns[-1].prompt.user


async def test_a_verifiable_deed_that_ends_in_doubt_is_looked_for_before_it_is_tried_again(
    database: Database, house
) -> None:
    class Forgetful(Workshop):
        def do(self, key: str, what: str):
            super().do(key, what)
            raise Unreachable("it was done, but the answer was lost")

    workshop = Forgetful()
    async with house(database, ScriptedModel({"intent": "move"}, DONE), workshop=workshop) as home:
        thread = await home.says("move")
        await home.at_rest(thread)
        assert len(workshop.done) == 1
        assert (await home.story(thread)).count("ToolStarted") == 1


async def test_an_idempotent_deed_in_doubt_to_the_end_is_asked_about_and_not_called_a_failure(
    database: Database, house
) -> None:
    workshop = Workshop()
    workshop.trouble = [Unreachable("away")] * MOST_ATTEMPTS
    async with house(database, ScriptedModel({"intent": "ship", "tag": "v1"}, DONE), workshop=workshop) as home:
        thread = await home.says("ship v1")
        await home.answers(await home.asked(thread), "approve")
        for seconds in (1, 2):
            state = await home.until(thread, lambda s: s.status == "waiting_for_time")
            home.clock.advance(seconds=seconds)
            await home.until(thread, lambda s, v=state.version: s.version > v)
        request = (await home.until(thread, lambda s: s.request)).request
        assert request is not None
        assert request.purpose == "outcome"
        await home.answers(request, "answer", text="did not run")
        await home.at_rest(thread)


async def test_repeating_an_approved_deed_takes_what_approving_it_took(database_url: str, house) -> None:
    workshop = DyingWorkshop(happened=True)
    pay = {"intent": "pay"}
    asked = (Rule(name="money", tool="pay", ask=Ask(roles=("release",))),)
    async with house(Database.open(database_url), ScriptedModel(pay), workshop=workshop, rules=asked) as home:
        thread = await home.says("pay")
        await home.answers(await home.asked(thread), "approve")
        await asyncio.to_thread(workshop.begun.wait, 20)
        await home.dies()
        workshop.released.set()
    async with house(Database.open(database_url), ScriptedModel(DONE), workshop=workshop, run="b", rules=asked) as home:
        request = await home.asked(thread)
        with pytest.raises(NotAllowed):
            await home.answers(request, "answer", text="run again", by="alice")
        assert len(workshop.done) == 1
        await home.answers(request, "answer", text="run again", by="bob")
        await home.at_rest(thread)
        assert len(workshop.done) == 2


async def test_a_cancelled_thread_starts_nothing_again_after_a_crash(database_url: str, house) -> None:
    thread, workshop = await crash(house, database_url, "look", happened=False, cancelled=True)
    async with house(Database.open(database_url), ScriptedModel(), workshop=workshop, run="b") as home:
        await home.until(thread, lambda s: s.call is None)
        assert workshop.done == []
        assert (await home.bot.engine.load(thread)).status == "cancelled"


async def test_of_a_call_in_doubt_people_are_told_also_when_its_thread_was_cancelled(database_url: str, house) -> None:
    thread, workshop = await crash(house, database_url, "pay", happened=True, cancelled=True)
    async with house(Database.open(database_url), ScriptedModel(), workshop=workshop, run="b") as home:
        await home.until(thread, lambda s: s.recent[-1].type == "ReplyChosen" and not s.outgoing)
        [told] = [event.text for event in await home.log(thread) if event.type == "ReplyChosen"]
        assert told == "pay had been started when this was cancelled, and I cannot tell whether it ran. Please look."
        assert (await home.story(thread))[-3:] == ["ToolOutcomeUnknown", "ReplyChosen", "MessageSent"]
        await home.check_replay(thread)


async def test_rules_that_changed_while_the_process_was_gone_are_looked_at_before_a_second_start(
    database_url: str, house
) -> None:
    workshop = DyingWorkshop(happened=False)
    ship = {"intent": "ship", "tag": "v1"}
    async with house(Database.open(database_url), ScriptedModel(ship), workshop=workshop) as home:
        thread = await home.says("ship v1")
        await home.answers(await home.asked(thread), "approve")
        await asyncio.to_thread(workshop.begun.wait, 20)
        await home.dies()
        workshop.released.set()
    never = (Rule(name="freeze", tool="ship", deny="nothing ships today"),)
    async with house(Database.open(database_url), ScriptedModel(), workshop=workshop, run="b", rules=never) as home:
        request = await home.asked(thread)
        assert request.purpose == "outcome"
        assert workshop.done == []


async def test_an_unexpected_error_of_a_tool_tells_its_name_and_never_its_text(database: Database, house) -> None:
    workshop = Workshop()
    workshop.trouble = [ValueError("token=hunter2")]
    model = ScriptedModel({"intent": "look"}, DONE)
    async with house(database, model, workshop=workshop) as home:
        thread = await home.says("look")
        await home.at_rest(thread)
        told = model.turns[-1].prompt.user
        assert "unexpected ValueError" in told
        assert "hunter2" not in told


async def test_three_failures_in_a_row_hand_over_to_a_person_who_sets_the_agent_going_again(
    database: Database, house
) -> None:
    workshop = Workshop()
    workshop.trouble = [ToolError("no")] * 3
    model = ScriptedModel(*[{"intent": "look"}] * 3, DONE)
    async with house(database, model, workshop=workshop) as home:
        thread = await home.says("look")
        request = await home.asked(thread)
        assert request.purpose == "handover"
        await home.answers(request, "answer", text="look elsewhere", by="alice")
        await home.at_rest(thread)
        assert "look elsewhere" in model.turns[-1].prompt.user
