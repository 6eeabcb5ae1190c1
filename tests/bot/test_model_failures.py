"""Every way a model call can end has its own consequence."""

import asyncio

import pytest

from agents.addresses import Address
from agents.budget import Budget, Usage
from agents.completion import Completion, CompletionOutcome
from agents.steps import DoneForNow
from storage.database import Database
from tests.fakes.scripted_model import ScriptedModel

DONE = DoneForNow(message="Done.")


def ended(outcome: CompletionOutcome, **facts) -> Completion:
    return Completion(outcome=outcome, model="scripted", detail="step.tag: too odd", **facts)


@pytest.mark.parametrize("outcome", [o for o in CompletionOutcome if o.is_repairable])
async def test_an_invalid_answer_goes_back_to_the_model_at_most_twice_and_then_to_a_person(
    database: Database, outcome, running_bot
) -> None:
    model = ScriptedModel(*[ended(outcome)] * 3, DONE)
    async with running_bot(database, model) as home:
        thread = await home.post_message("hello")
        request = await home.wait_for_request(thread)
        assert request.purpose == "handover"
        assert model.received[1].prompt.user.count("step.tag: too odd") == 1
        assert model.received[2].prompt.user.count("step.tag: too odd") == 2
        await home.answer_request(request, "answer", text="say hello", person_key="alice")
        await home.wait_until_settled(thread)


@pytest.mark.parametrize("outcome", [o for o in CompletionOutcome if o.is_retryable])
async def test_what_may_work_later_is_tried_later_and_the_model_is_not_told(
    database: Database, outcome, running_bot
) -> None:
    model = ScriptedModel(ended(outcome, retry_after=42.0), DONE)
    async with running_bot(database, model) as home:
        thread = await home.post_message("hello")
        state = await home.wait_until(thread, lambda s: s.status == "waiting_for_time")
        assert state.retry_at is not None
        assert (state.retry_at - home.clock.now()).total_seconds() == 42
        home.clock.advance(seconds=42)
        await home.wait_until_settled(thread)
        assert "too odd" not in model.received[1].prompt.user


async def test_a_refused_key_pauses_the_thread_says_so_and_resuming_goes_on(database: Database, running_bot) -> None:
    async with running_bot(database, ScriptedModel(ended(CompletionOutcome.AUTH_FAILED), DONE)) as home:
        thread = await home.post_message("hello")
        state = await home.wait_until_settled(thread, "paused")
        assert "OPENAI_API_KEY" in (state.paused or "")
        assert "OPENAI_API_KEY" in next(e.text for e in await home.events(thread) if e.type == "ReplyChosen")
        await home.bot.thread_control.resume(thread, Address("person:bob"))
        await home.wait_until_settled(thread)


@pytest.mark.parametrize(
    "outcome", [CompletionOutcome.REFUSED, CompletionOutcome.FILTERED, CompletionOutcome.BAD_REQUEST]
)
async def test_what_the_model_will_not_answer_goes_to_a_person(database: Database, outcome, running_bot) -> None:
    async with running_bot(database, ScriptedModel(ended(outcome))) as home:
        thread = await home.post_message("hello")
        assert (await home.wait_for_request(thread)).purpose == "handover"


async def test_a_model_that_raises_is_tried_again_and_harms_no_other_thread(database: Database, running_bot) -> None:
    class Moody:
        def __init__(self) -> None:
            self.raised = asyncio.Event()

        async def complete(self, turn, words=None):
            if "boo" in turn.prompt.user and not self.raised.is_set():
                self.raised.set()
                raise RuntimeError("a bug")
            return Completion(outcome=CompletionOutcome.OK, model="moody", step=DONE)

    moody = Moody()
    async with running_bot(database, moody) as home:
        first = await home.post_message("boo")
        second = await home.post_message("hello")
        await home.wait_until(second, lambda s: s.lifecycle == "done")
        await moody.raised.wait()
        home.clock.advance(seconds=1)
        await home.wait_until_settled(first)


async def test_a_message_that_comes_in_while_the_model_thinks_makes_it_think_again(
    database: Database, running_bot
) -> None:
    class Slow(ScriptedModel):
        async def complete(self, model_request, on_partial=None):
            if len(self.received) == 0:
                await home.post_message("and be quick", thread_id=model_request.state.thread_id)
            return await super().complete(model_request, on_partial)

    model = Slow(DoneForNow(message="stale"), DoneForNow(message="fresh"))
    async with running_bot(database, model) as home:
        thread = await home.post_message("hello")
        await home.wait_until_settled(thread)
        assert [e.text for e in await home.events(thread) if e.type == "ReplyChosen"] == ["fresh"]


async def test_a_used_up_budget_asks_a_person_who_extends_it(database: Database, running_bot) -> None:
    look = Completion(
        outcome=CompletionOutcome.OK, model="m", step={"intent": "call_tool", "tool": "look", "arguments": {}}
    )
    model = ScriptedModel(look, look, DONE)
    async with running_bot(database, model, budget=Budget(steps=2)) as home:
        thread = await home.post_message("look around")
        request = await home.wait_for_request(thread)
        assert (request.kind, request.tool, request.arguments) == (
            "approval",
            "extend_budget",
            {"kind": "steps", "by": 2},
        )
        await home.answer_request(request, "approve", person_key="bob")
        await home.wait_until_settled(thread)
        assert {"BudgetReached", "BudgetExtended"} <= set(await home.event_types(thread))


async def test_a_budget_that_is_not_extended_ends_the_thread_as_failed(database: Database, running_bot) -> None:
    spent = Completion(
        outcome=CompletionOutcome.OK,
        model="m",
        step={"intent": "call_tool", "tool": "look", "arguments": {}},
        usage=Usage(input=900, output=200),
    )
    async with running_bot(database, ScriptedModel(spent), budget=Budget(tokens=1000)) as home:
        thread = await home.post_message("look around")
        await home.answer_request(await home.wait_for_request(thread), "deny")
        await home.wait_until_settled(thread, "failed")
