"""A process ends between two writes: nothing is lost, nothing is repeated that must not be (DESIGN §3.4).

The real kill -9 of real processes is in tests/scenarios and test_take_over.py; here the worker alone dies, so that
every class of effect can be met on both sides of its deed.
"""

import asyncio
import threading

import pytest

from agents.addresses import person_address
from agents.errors import Forbidden, ToolError, Unavailable
from agents.policy import ApprovalTerms, Rule
from agents.steps import DoneForNow
from bot.tool_runner import MAX_TOOL_ATTEMPTS
from storage.database import Database
from tests.bot_harness import RecordingChannel, RecordingTools
from tests.fakes.clock import FakeClock
from tests.fakes.scripted_model import ScriptedModel

DONE = DoneForNow(message="Done.")


class CrashingTools(RecordingTools):
    """A workshop in which the first deed never reports: it happened, or it did not."""

    def __init__(self, *, happened: bool) -> None:
        super().__init__()
        self.started, self.released = threading.Event(), threading.Event()
        self._happened, self._first = happened, True

    def run(self, key: str, action: str):
        if not self._first:
            return super().do(key, action)
        self._first = False
        if self._happened:
            self.runs.append((key, action))
        self.started.set()
        self.released.wait(30)
        raise ToolError("nobody is left to hear this")


async def crash(
    running_bot, database_url: str, intent: str, *, happened: bool, cancelled: bool = False
) -> tuple[str, CrashingTools]:
    """Run a thread until its tool is in the middle of its work, then let the worker die without a word.

    Perhaps somebody cancels it before another worker comes.
    """
    workshop = CrashingTools(happened=happened)
    database = Database.open(database_url)
    async with running_bot(database, ScriptedModel({"intent": intent}), recording_tools=workshop) as home:
        thread = await home.post_message("go")
        await asyncio.to_thread(workshop.started.wait, 20)
        await home.dies()
        workshop.released.set()
        assert (await home.event_types(thread))[-1] == "ToolStarted"
        if cancelled:
            await home.bot.steering.cancel(thread, person_address("bob"))
    return thread, workshop


def keys(workshop: RecordingTools) -> set[str]:
    return {key for key, _ in workshop.runs}


@pytest.mark.parametrize("happened", [True, False])
async def test_a_read_interrupted_by_a_crash_is_read_again(database_url: str, happened, running_bot) -> None:
    thread, workshop = await crash(running_bot, database_url, "look", happened=happened)
    async with running_bot(Database.open(database_url), ScriptedModel(DONE), recording_tools=workshop, run="b") as home:
        await home.wait_until_settled(thread)
        assert len(workshop.runs) == 1 + happened
        await home.check_replay(thread)


@pytest.mark.parametrize("happened", [True, False])
async def test_a_verifiable_deed_is_looked_for_before_it_is_done_again(
    database_url: str, happened, running_bot
) -> None:
    thread, workshop = await crash(running_bot, database_url, "move", happened=happened)
    async with running_bot(Database.open(database_url), ScriptedModel(DONE), recording_tools=workshop, run="b") as home:
        await home.wait_until_settled(thread)
        assert len(workshop.runs) == 1
        assert "ToolSucceeded" in await home.event_types(thread)


@pytest.mark.parametrize(
    ("told", "deeds"), [("ran", 1), ("did not run", 1), ("run again", 2)], ids=["ran", "did-not-run", "run-again"]
)
async def test_a_deed_nobody_can_look_for_is_asked_about_and_never_repeated_unasked(
    database_url: str, told, deeds, running_bot
) -> None:
    thread, workshop = await crash(running_bot, database_url, "pay", happened=True)
    async with running_bot(Database.open(database_url), ScriptedModel(DONE), recording_tools=workshop, run="b") as home:
        request = await home.wait_for_request(thread)
        assert request.choices == ("ran", "did not run", "run again")
        assert len(workshop.runs) == 1
        await home.answer_request(request, "answer", text=told)
        await home.wait_until_settled(thread)
        assert len(workshop.runs) == deeds
        assert len(keys(workshop)) == 1
        assert "ToolOutcomeUnknown" in await home.event_types(thread)


async def test_an_approval_outlives_the_process_that_asked(database_url: str, running_bot) -> None:
    ship = {"intent": "ship", "tag": "v1"}
    async with running_bot(Database.open(database_url), ScriptedModel(ship)) as home:
        thread = await home.post_message("ship v1")
        request = await home.wait_for_request(thread)
    async with running_bot(Database.open(database_url), ScriptedModel(DONE), run="b") as home:
        await home.answer_request(request, "approve")
        await home.wait_until_settled(thread)
        assert [what for _, what in home.recording_tools.runs] == ["ship v1"]
        await home.check_replay(thread)


async def test_a_message_accepted_but_not_yet_worked_on_is_worked_on_after_the_restart(
    database_url: str, running_bot
) -> None:
    async with running_bot(Database.open(database_url), ScriptedModel()) as home:
        await home.crash()
        thread = await home.post_message("hello")
    async with running_bot(Database.open(database_url), ScriptedModel(DONE), run="b") as home:
        await home.wait_until_settled(thread)


async def test_a_card_that_was_not_sent_before_the_crash_is_sent_after_it(database_url: str, running_bot) -> None:
    away, back = RecordingChannel("terminal"), RecordingChannel("terminal")
    away.planned_errors = [Unavailable("away")]
    ship = ScriptedModel({"intent": "ship", "tag": "v1"})
    async with running_bot(Database.open(database_url), ship, channels={"terminal": away}) as home:
        thread = await home.post_message("ship v1")
        await home.wait_until(thread, lambda s: s.open_request)
    async with running_bot(Database.open(database_url), ScriptedModel(), channels={"terminal": back}, run="b") as home:
        home.clock.advance(seconds=1)  # a job that is to be tried again keeps its time over a restart
        request = await home.wait_for_request(thread)
        assert [card.address for card in request.cards] == ["terminal:alice"]
        assert [message.card.code for _, message, _ in back.sent if message.card] == [request.code]


async def test_a_tool_whose_other_side_is_away_is_tried_again_with_the_same_key_and_back_off(
    database: Database, running_bot
) -> None:
    clock, workshop = FakeClock(), RecordingTools()
    workshop.planned_errors = [Unavailable("the forge is away"), Unavailable("still away")]
    async with running_bot(
        database, ScriptedModel({"intent": "look"}, DONE), clock=clock, recording_tools=workshop
    ) as home:
        thread = await home.post_message("look")
        for seconds in (1, 2):
            state = await home.wait_until(thread, lambda s: s.status == "waiting_for_time")
            assert state.current_call is not None
            assert (state.current_call.retry_at - clock.now()).total_seconds() == seconds
            version = state.version
            clock.advance(seconds=seconds)
            await home.wait_until(thread, lambda s, v=version: s.version > v)
        await home.wait_until_settled(thread)
        assert len(workshop.runs) == 1
        assert (await home.event_types(thread)).count("ToolStarted") == MAX_TOOL_ATTEMPTS


async def test_a_tool_that_stays_away_fails_after_three_attempts_and_the_model_is_told(
    database: Database, running_bot
) -> None:
    clock, workshop = FakeClock(), RecordingTools()
    workshop.planned_errors = [Unavailable("the forge is away")] * 5
    model = ScriptedModel({"intent": "look"}, DONE)
    async with running_bot(database, model, clock=clock, recording_tools=workshop) as home:
        thread = await home.post_message("look")
        for seconds in (1, 2):
            state = await home.wait_until(thread, lambda s: s.status == "waiting_for_time")
            clock.advance(seconds=seconds)
            await home.wait_until(thread, lambda s, v=state.version: s.version > v)
        await home.wait_until_settled(thread)
        assert "the forge is away" in model.received[-1].prompt.user


async def test_a_verifiable_deed_that_ends_in_doubt_is_looked_for_before_it_is_tried_again(
    database: Database, running_bot
) -> None:
    class Forgetful(RecordingTools):
        def do(self, key: str, action: str):
            super().do(key, action)
            raise Unavailable("it was done, but the answer was lost")

    workshop = Forgetful()
    async with running_bot(database, ScriptedModel({"intent": "move"}, DONE), recording_tools=workshop) as home:
        thread = await home.post_message("move")
        await home.wait_until_settled(thread)
        assert len(workshop.runs) == 1
        assert (await home.event_types(thread)).count("ToolStarted") == 1


async def test_an_idempotent_deed_in_doubt_to_the_end_is_asked_about_and_not_called_a_failure(
    database: Database, running_bot
) -> None:
    workshop = RecordingTools()
    workshop.planned_errors = [Unavailable("away")] * MAX_TOOL_ATTEMPTS
    async with running_bot(
        database, ScriptedModel({"intent": "ship", "tag": "v1"}, DONE), recording_tools=workshop
    ) as home:
        thread = await home.post_message("ship v1")
        await home.answer_request(await home.wait_for_request(thread), "approve")
        for seconds in (1, 2):
            state = await home.wait_until(thread, lambda s: s.status == "waiting_for_time")
            home.clock.advance(seconds=seconds)
            await home.wait_until(thread, lambda s, v=state.version: s.version > v)
        request = (await home.wait_until(thread, lambda s: s.open_request)).open_request
        assert request is not None
        assert request.purpose == "outcome"
        await home.answer_request(request, "answer", text="did not run")
        await home.wait_until_settled(thread)


async def test_repeating_an_approved_deed_takes_what_approving_it_took(database_url: str, running_bot) -> None:
    workshop = CrashingTools(happened=True)
    pay = {"intent": "pay"}
    asked = (Rule(name="money", tool="pay", ask=ApprovalTerms(roles=("release",))),)
    async with running_bot(
        Database.open(database_url), ScriptedModel(pay), recording_tools=workshop, rules=asked
    ) as home:
        thread = await home.post_message("pay")
        await home.answer_request(await home.wait_for_request(thread), "approve")
        await asyncio.to_thread(workshop.started.wait, 20)
        await home.crash()
        workshop.released.set()
    async with running_bot(
        Database.open(database_url), ScriptedModel(DONE), recording_tools=workshop, run="b", rules=asked
    ) as home:
        request = await home.wait_for_request(thread)
        with pytest.raises(Forbidden):
            await home.answer_request(request, "answer", text="run again", person_key="alice")
        assert len(workshop.runs) == 1
        await home.answer_request(request, "answer", text="run again", person_key="bob")
        await home.wait_until_settled(thread)
        assert len(workshop.runs) == 2


async def test_a_cancelled_thread_starts_nothing_again_after_a_crash(database_url: str, running_bot) -> None:
    thread, workshop = await crash(running_bot, database_url, "look", happened=False, cancelled=True)
    async with running_bot(Database.open(database_url), ScriptedModel(), recording_tools=workshop, run="b") as home:
        await home.wait_until(thread, lambda s: s.current_call is None)
        assert workshop.runs == []
        assert (await home.bot.engine.load(thread)).status == "cancelled"


async def test_of_a_call_in_doubt_people_are_told_also_when_its_thread_was_cancelled(
    database_url: str, running_bot
) -> None:
    thread, workshop = await crash(running_bot, database_url, "pay", happened=True, cancelled=True)
    async with running_bot(Database.open(database_url), ScriptedModel(), recording_tools=workshop, run="b") as home:
        await home.wait_until(thread, lambda s: s.history[-1].type == "ReplyChosen" and not s.pending_messages)
        [told] = [event.text for event in await home.events(thread) if event.type == "ReplyChosen"]
        assert told == "pay had been started when this was cancelled, and I cannot tell whether it ran. Please look."
        assert (await home.event_types(thread))[-3:] == ["ToolOutcomeUnknown", "ReplyChosen", "MessageSent"]
        await home.check_replay(thread)


async def test_rules_that_changed_while_the_process_was_gone_are_looked_at_before_a_second_start(
    database_url: str, running_bot
) -> None:
    workshop = CrashingTools(happened=False)
    ship = {"intent": "ship", "tag": "v1"}
    async with running_bot(Database.open(database_url), ScriptedModel(ship), recording_tools=workshop) as home:
        thread = await home.post_message("ship v1")
        await home.answer_request(await home.wait_for_request(thread), "approve")
        await asyncio.to_thread(workshop.started.wait, 20)
        await home.crash()
        workshop.released.set()
    never = (Rule(name="freeze", tool="ship", deny="nothing ships today"),)
    async with running_bot(
        Database.open(database_url), ScriptedModel(), recording_tools=workshop, run="b", rules=never
    ) as home:
        request = await home.wait_for_request(thread)
        assert request.purpose == "outcome"
        assert workshop.runs == []


async def test_an_unexpected_error_of_a_tool_tells_its_name_and_never_its_text(database: Database, running_bot) -> None:
    workshop = RecordingTools()
    workshop.planned_errors = [ValueError("token=hunter2")]
    model = ScriptedModel({"intent": "look"}, DONE)
    async with running_bot(database, model, recording_tools=workshop) as home:
        thread = await home.post_message("look")
        await home.wait_until_settled(thread)
        told = model.received[-1].prompt.user
        assert "unexpected ValueError" in told
        assert "hunter2" not in told


async def test_three_failures_in_a_row_hand_over_to_a_person_who_sets_the_agent_going_again(
    database: Database, running_bot
) -> None:
    workshop = RecordingTools()
    workshop.planned_errors = [ToolError("no")] * 3
    model = ScriptedModel(*[{"intent": "look"}] * 3, DONE)
    async with running_bot(database, model, recording_tools=workshop) as home:
        thread = await home.post_message("look")
        request = await home.wait_for_request(thread)
        assert request.purpose == "handover"
        await home.answer_request(request, "answer", text="look elsewhere", person_key="alice")
        await home.wait_until_settled(thread)
        assert "look elsewhere" in model.received[-1].prompt.user
