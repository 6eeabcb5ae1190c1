"""Each outcome of a model call has its own consequence (ADR 0021)."""

import asyncio

import pytest

from agents.core.completion import Budget, Completion, CompletionOutcome, Usage
from agents.core.steps import DoneForNow
from agents.core.values import Address
from storage.database.database import Database
from tests.bot.conftest import on_every_setup
from tests.fakes.scripted_model import ScriptedModel

DONE = DoneForNow(message="Done.")


def build_completion(outcome: CompletionOutcome, **fields) -> Completion:
    return Completion(outcome=outcome, model="scripted", detail="step.tag: too odd", **fields)


@pytest.mark.parametrize("outcome", [o for o in CompletionOutcome if o.is_repairable])
async def test_invalid_output_is_repaired_twice_then_a_person_is_asked(
    database: Database, outcome, running_bot
) -> None:
    model = ScriptedModel(*[build_completion(outcome)] * 3, DONE)
    async with running_bot(database, model) as harness:
        thread_id = await harness.post_message("hello")
        request = await harness.wait_for_request(thread_id)
        assert request.purpose == "handover"
        assert model.received[1].prompt.user.count("step.tag: too odd") == 1
        assert model.received[2].prompt.user.count("step.tag: too odd") == 2
        await harness.answer_request(request, "answer", text="say hello", person_key="alice")
        await harness.wait_until_done(thread_id)


@pytest.mark.parametrize("outcome", [o for o in CompletionOutcome if o.is_retryable])
async def test_retryable_failure_is_retried_without_a_prompt_change(database: Database, outcome, running_bot) -> None:
    model = ScriptedModel(build_completion(outcome, retry_after=42.0), DONE)
    async with running_bot(database, model) as harness:
        thread_id = await harness.post_message("hello")
        state = await harness.wait_until(thread_id, lambda state: state.status == "waiting_for_time")
        assert state.retry_at is not None
        assert (state.retry_at - harness.clock.now()).total_seconds() == 42
        harness.clock.advance(seconds=42)
        await harness.wait_until_done(thread_id)
        assert "too odd" not in model.received[1].prompt.user


async def test_rejected_api_key_pauses_the_thread_until_it_is_resumed(database: Database, running_bot) -> None:
    async with running_bot(database, ScriptedModel(build_completion(CompletionOutcome.AUTH_FAILED), DONE)) as harness:
        thread_id = await harness.post_message("hello")
        state = await harness.wait_for_status(thread_id, "paused")
        assert "OPENAI_API_KEY" in (state.paused or "")
        assert "OPENAI_API_KEY" in next(e.text for e in await harness.events(thread_id) if e.type == "ReplyChosen")
        await harness.bot.thread_control.resume(thread_id, Address("person:bob"))
        await harness.wait_until_done(thread_id)


@pytest.mark.parametrize(
    "outcome", [CompletionOutcome.REFUSED, CompletionOutcome.FILTERED, CompletionOutcome.BAD_REQUEST]
)
async def test_refusal_of_the_model_opens_a_help_request(database: Database, outcome, running_bot) -> None:
    async with running_bot(database, ScriptedModel(build_completion(outcome))) as harness:
        thread_id = await harness.post_message("hello")
        assert (await harness.wait_for_request(thread_id)).purpose == "handover"


@on_every_setup
async def test_model_that_raises_is_retried_without_delaying_other_threads(database: Database, running_bot) -> None:
    class OnceFailingModel:
        def __init__(self) -> None:
            self.has_raised = asyncio.Event()

        async def complete(self, model_request, on_partial=None):
            if "boo" in model_request.prompt.user and not self.has_raised.is_set():
                self.has_raised.set()
                raise RuntimeError("a bug")
            return Completion(outcome=CompletionOutcome.OK, model="fails-once", step=DONE)

    model = OnceFailingModel()
    async with running_bot(database, model) as harness:
        first = await harness.post_message("boo")
        second = await harness.post_message("hello")
        await harness.wait_until(second, lambda state: state.lifecycle == "done")
        await model.has_raised.wait()
        harness.clock.advance(seconds=1)
        await harness.wait_until_done(first)


async def test_message_during_a_model_call_causes_another_call(database: Database, running_bot) -> None:
    class InterruptedModel(ScriptedModel):
        async def complete(self, model_request, on_partial=None):
            if len(self.received) == 0:
                await harness.post_message("and be quick", thread_id=model_request.state.thread_id)
            return await super().complete(model_request, on_partial)

    model = InterruptedModel(DoneForNow(message="stale"), DoneForNow(message="fresh"))
    async with running_bot(database, model) as harness:
        thread_id = await harness.post_message("hello")
        await harness.wait_until_done(thread_id)
        assert [e.text for e in await harness.events(thread_id) if e.type == "ReplyChosen"] == ["fresh"]


async def test_exhausted_budget_opens_a_request_to_extend_it(database: Database, running_bot) -> None:
    look_step = Completion(
        outcome=CompletionOutcome.OK, model="m", step={"intent": "call_tool", "tool": "look", "arguments": {}}
    )
    model = ScriptedModel(look_step, look_step, DONE)
    async with running_bot(database, model, budget=Budget(steps=2)) as harness:
        thread_id = await harness.post_message("look around")
        request = await harness.wait_for_request(thread_id)
        assert (request.kind, request.tool, request.arguments) == (
            "approval",
            "extend_budget",
            {"kind": "steps", "by": 2},
        )
        await harness.answer_request(request, "approve", person_key="bob")
        await harness.wait_until_done(thread_id)
        assert {"BudgetReached", "BudgetExtended"} <= set(await harness.event_types(thread_id))


async def test_denied_budget_extension_fails_the_thread(database: Database, running_bot) -> None:
    costly_step = Completion(
        outcome=CompletionOutcome.OK,
        model="m",
        step={"intent": "call_tool", "tool": "look", "arguments": {}},
        usage=Usage(input=900, output=200),
    )
    async with running_bot(database, ScriptedModel(costly_step), budget=Budget(tokens=1000)) as harness:
        thread_id = await harness.post_message("look around")
        await harness.answer_request(await harness.wait_for_request(thread_id), "deny")
        await harness.wait_for_status(thread_id, "failed")
