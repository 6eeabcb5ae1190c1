"""Every way a model call can end has its own consequence."""

import asyncio

import pytest

from agents.addresses import Address
from agents.budget import Budget, Usage
from agents.completion import Completion, Outcome
from agents.steps import DoneForNow
from storage.database import Database
from tests.fakes.scripted import ScriptedModel

DONE = DoneForNow(message="Done.")


def ended(outcome: Outcome, **facts) -> Completion:
    return Completion(outcome=outcome, model="scripted", detail="step.tag: too odd", **facts)


@pytest.mark.parametrize("outcome", [o for o in Outcome if o.repairable])
async def test_an_invalid_answer_goes_back_to_the_model_at_most_twice_and_then_to_a_person(
    database: Database, outcome, house
) -> None:
    model = ScriptedModel(*[ended(outcome)] * 3, DONE)
    async with house(database, model) as home:
        thread = await home.says("hello")
        request = await home.asked(thread)
        assert request.purpose == "handover"
        assert model.turns[1].prompt.user.count("step.tag: too odd") == 1
        assert model.turns[2].prompt.user.count("step.tag: too odd") == 2
        await home.answers(request, "answer", text="say hello", by="alice")
        await home.at_rest(thread)


@pytest.mark.parametrize("outcome", [o for o in Outcome if o.retryable])
async def test_what_may_work_later_is_tried_later_and_the_model_is_not_told(database: Database, outcome, house) -> None:
    model = ScriptedModel(ended(outcome, retry_after=42.0), DONE)
    async with house(database, model) as home:
        thread = await home.says("hello")
        state = await home.until(thread, lambda s: s.status == "waiting_for_time")
        assert state.retry_at is not None
        assert (state.retry_at - home.clock.now()).total_seconds() == 42
        home.clock.advance(seconds=42)
        await home.at_rest(thread)
        assert "too odd" not in model.turns[1].prompt.user


async def test_a_refused_key_pauses_the_thread_says_so_and_resuming_goes_on(database: Database, house) -> None:
    async with house(database, ScriptedModel(ended(Outcome.DENIED), DONE)) as home:
        thread = await home.says("hello")
        state = await home.at_rest(thread, "paused")
        assert "OPENAI_API_KEY" in (state.paused or "")
        assert "OPENAI_API_KEY" in next(e.text for e in await home.log(thread) if e.type == "ReplyChosen")
        await home.bot.steering.resume(thread, Address("person:bob"))
        await home.at_rest(thread)


@pytest.mark.parametrize("outcome", [Outcome.REFUSED, Outcome.FILTERED, Outcome.REJECTED])
async def test_what_the_model_will_not_answer_goes_to_a_person(database: Database, outcome, house) -> None:
    async with house(database, ScriptedModel(ended(outcome))) as home:
        thread = await home.says("hello")
        assert (await home.asked(thread)).purpose == "handover"


async def test_a_model_that_raises_is_tried_again_and_harms_no_other_thread(database: Database, house) -> None:
    class Moody:
        def __init__(self) -> None:
            self.raised = asyncio.Event()

        async def complete(self, turn, words=None):
            if "boo" in turn.prompt.user and not self.raised.is_set():
                self.raised.set()
                raise RuntimeError("a bug")
            return Completion(outcome=Outcome.OK, model="moody", step=DONE)

    moody = Moody()
    async with house(database, moody) as home:
        first = await home.says("boo")
        second = await home.says("hello")
        await home.until(second, lambda s: s.life == "done")
        await moody.raised.wait()
        home.clock.advance(seconds=1)
        await home.at_rest(first)


async def test_a_message_that_comes_in_while_the_model_thinks_makes_it_think_again(database: Database, house) -> None:
    class Slow(ScriptedModel):
        async def complete(self, turn, words=None):
            if len(self.turns) == 0:
                await home.says("and be quick", thread=turn.state.thread_id)
            return await super().complete(turn, words)

    model = Slow(DoneForNow(message="stale"), DoneForNow(message="fresh"))
    async with house(database, model) as home:
        thread = await home.says("hello")
        await home.at_rest(thread)
        assert [e.text for e in await home.log(thread) if e.type == "ReplyChosen"] == ["fresh"]


async def test_a_used_up_budget_asks_a_person_who_extends_it(database: Database, house) -> None:
    look = Completion(outcome=Outcome.OK, model="m", step={"intent": "call_tool", "tool": "look", "arguments": {}})
    model = ScriptedModel(look, look, DONE)
    async with house(database, model, budget=Budget(steps=2)) as home:
        thread = await home.says("look around")
        request = await home.asked(thread)
        assert (request.kind, request.tool, request.arguments) == (
            "approval",
            "extend_budget",
            {"kind": "steps", "by": 2},
        )
        await home.answers(request, "approve", by="bob")
        await home.at_rest(thread)
        assert {"BudgetReached", "BudgetExtended"} <= set(await home.story(thread))


async def test_a_budget_that_is_not_extended_ends_the_thread_as_failed(database: Database, house) -> None:
    spent = Completion(
        outcome=Outcome.OK,
        model="m",
        step={"intent": "call_tool", "tool": "look", "arguments": {}},
        usage=Usage(input=900, output=200),
    )
    async with house(database, ScriptedModel(spent), budget=Budget(tokens=1000)) as home:
        thread = await home.says("look around")
        await home.answers(await home.asked(thread), "deny")
        await home.at_rest(thread, "failed")
