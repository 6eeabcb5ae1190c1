"""Pause, resume, cancel, fork: each does one thing, and says so when it cannot."""

import threading

import pytest

from agents.addresses import person
from agents.errors import AlreadySettled, Invalid, ThreadNotFound, WrongState
from agents.events import ThreadPaused
from agents.steps import DoneForNow
from storage.database import Database
from storage.threads import PAGE
from tests.fakes.scripted import ScriptedModel
from tests.houses import Workshop

BOB = person("bob")
SHIP = {"intent": "ship", "tag": "v1"}
DONE = DoneForNow(message="Done.")


async def test_a_paused_thread_starts_nothing_and_resumed_goes_back_to_what_it_waited_for(
    database: Database, house
) -> None:
    async with house(database, ScriptedModel(SHIP, DONE)) as home:
        thread = await home.says("ship v1")
        request = await home.asked(thread)
        await home.bot.steering.pause(thread, BOB)
        await home.answers(request, "approve")
        await home.until(thread, lambda s: s.status == "paused" and not s.outgoing)
        assert home.workshop.done == []
        await home.bot.steering.resume(thread, BOB)
        await home.at_rest(thread)
        assert len(home.workshop.done) == 1


async def test_resuming_before_the_answer_waits_for_people_again(database: Database, house) -> None:
    async with house(database, ScriptedModel(SHIP)) as home:
        thread = await home.says("ship v1")
        await home.asked(thread)
        await home.bot.steering.pause(thread, BOB)
        assert (await home.bot.steering.resume(thread, BOB)).after.status == "waiting_for_human"


async def test_orders_that_make_no_sense_are_refused_with_the_status(database: Database, house) -> None:
    async with house(database, ScriptedModel(SHIP)) as home:
        thread = await home.says("ship v1")
        await home.asked(thread)
        steering = home.bot.steering
        with pytest.raises(WrongState, match="waiting_for_human"):
            await steering.resume(thread, BOB)
        await steering.pause(thread, BOB)
        with pytest.raises(WrongState, match="is paused"):
            await steering.pause(thread, BOB)
        await steering.cancel(thread, BOB)
        for order in (steering.pause, steering.resume, steering.cancel):
            with pytest.raises(WrongState, match="is cancelled") as refused:
                await order(thread, BOB)
            assert refused.value.details == {"status": "cancelled"}
        with pytest.raises(ThreadNotFound):
            await steering.pause("thr_none", BOB)
        with pytest.raises(WrongState, match="open a new one"):
            await home.says("hello?", thread=thread)


async def test_cancelling_closes_the_open_request_as_cancelled_and_corrects_its_card(database: Database, house) -> None:
    async with house(database, ScriptedModel(SHIP)) as home:
        thread = await home.says("ship v1")
        request = await home.asked(thread)
        await home.bot.steering.cancel(thread, BOB)
        await home.at_rest(thread, "cancelled")
        settled = await home.bot.deciding.find(request.id)
        assert (settled.status, settled.cards[0].state) == ("cancelled", "cancelled")
        with pytest.raises(AlreadySettled, match="cancelled with its thread"):
            await home.answers(request, "approve")


async def test_cancelling_while_a_tool_runs_waits_for_its_outcome_and_then_stops(database: Database, house) -> None:
    class Slow(Workshop):
        begun, released = threading.Event(), threading.Event()

        def do(self, key: str, what: str):
            self.begun.set()
            self.released.wait(20)
            return super().do(key, what)

    workshop = Slow()
    async with house(database, ScriptedModel({"intent": "look"}), workshop=workshop) as home:
        thread = await home.says("look")
        await home.until(thread, lambda s: s.call is not None and s.call.phase == "started")
        await home.bot.steering.cancel(thread, BOB)
        workshop.released.set()
        await home.until(thread, lambda s: s.call is None)
        assert (await home.story(thread))[-1] == "ToolSucceeded"
        assert (await home.bot.engine.load(thread)).status == "cancelled"


async def test_a_fork_has_the_events_but_nothing_in_flight_and_leaves_its_parent_alone(
    database: Database, house
) -> None:
    async with house(database, ScriptedModel(SHIP, DoneForNow(message="In the fork."))) as home:
        thread = await home.says("ship v1")
        request = await home.asked(thread)
        at = (await home.bot.engine.load(thread)).version
        fork = (await home.bot.steering.fork(thread, at, BOB)).after
        assert fork.thread_id != thread
        assert (fork.request, fork.call, fork.version) == (None, None, at + 1)
        assert (await home.story(fork.thread_id))[:-1] == (await home.story(thread))
        await home.says("carry on", thread=fork.thread_id)
        await home.at_rest(fork.thread_id)
        await home.check_replay(fork.thread_id)
        assert (await home.bot.deciding.find(request.id)).status == "open"
        assert (await home.bot.engine.load(thread)).status == "waiting_for_human"


@pytest.mark.parametrize("at", [0, -1, 99])
async def test_a_fork_at_a_place_that_is_not_there_is_refused(database: Database, at, house) -> None:
    async with house(database, ScriptedModel(DONE)) as home:
        thread = await home.says("hello")
        await home.at_rest(thread)
        with pytest.raises(Invalid, match="fork it at one of them"):
            await home.bot.steering.fork(thread, at, BOB)


async def test_a_fork_of_a_long_thread_is_complete_and_seen_by_nobody_before(database: Database, house) -> None:
    async with house(database, ScriptedModel(DONE)) as home:
        thread = await home.says("hello")
        await home.at_rest(thread)
        paused = ThreadPaused(at=home.clock.now(), actor=BOB, reason="one of many")
        state = (await home.bot.engine.record(thread, lambda _: [paused] * (2 * PAGE))).after
        at, known = state.version - 1, {thread}
        home.bot.engine.listeners.append(lambda recorded: known.add(recorded.after.thread_id))
        fork = (await home.bot.steering.fork(thread, at, BOB)).after
        assert known == {thread, fork.thread_id}
        assert (fork.version, fork.status, fork.outgoing) == (at + 1, "done", ())
        assert (await home.log(fork.thread_id))[:-1] == (await home.log(thread))[:at]
        await home.check_replay(fork.thread_id)
