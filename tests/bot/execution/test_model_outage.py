"""An unavailable model is retried, with one notice. Errors that only the operator can correct pause the thread."""

from datetime import timedelta

import pytest

from agents.core.completion import Budget, Completion, CompletionOutcome
from agents.core.steps import Await, DoneForNow, NothingToDo
from agents.core.values import Address
from bot.execution.model_calls import MAX_MODEL_OUTAGE
from storage.database.database import Database
from tests.bot.conftest import on_every_setup
from tests.fakes.scripted_model import ScriptedModel
from tests.harness.bot import BotHarness

DONE = DoneForNow(message="Done.")


def build_completion(
    outcome: CompletionOutcome, detail: str = "127.0.0.1 answered 503: Loading model", **fields
) -> Completion:
    return Completion(outcome=outcome, model="scripted", detail=detail, **fields)


async def advance_to_retry(harness: BotHarness, thread_id: str, rounds: int) -> None:
    """Advance the clock to the next retry, `rounds` times."""
    for _ in range(rounds):
        state = await harness.wait_until(
            thread_id, lambda state: state.retry_at is not None and state.retry_at > harness.clock.now()
        )
        harness.clock.advance(seconds=(state.retry_at - harness.clock.now()).total_seconds())


async def list_replies(harness: BotHarness, thread_id: str) -> list[str]:
    return [event.text for event in await harness.events(thread_id) if event.type == "ReplyChosen"]


async def list_notices(harness: BotHarness, thread_id: str) -> list[str]:
    return [event.text for event in await harness.events(thread_id) if event.type == "NoticeGiven"]


async def test_short_outage_is_not_announced(database: Database, running_bot) -> None:
    async with running_bot(database, ScriptedModel(*[build_completion(CompletionOutcome.FAILED)] * 2, DONE)) as harness:
        thread_id = await harness.post_message("hello")
        await advance_to_retry(harness, thread_id, 2)
        await harness.wait_until_done(thread_id)
        assert await list_replies(harness, thread_id) == ["Done."]


async def test_long_outage_is_announced_once_and_costs_no_steps(database: Database, running_bot) -> None:
    model = ScriptedModel(*[build_completion(CompletionOutcome.UNAVAILABLE)] * 20, DONE)
    async with running_bot(database, model, budget=Budget(steps=2)) as harness:
        thread_id = await harness.post_message("hello")
        await advance_to_retry(harness, thread_id, 20)
        state = await harness.wait_until_done(thread_id)
        notice, reply = await list_replies(harness, thread_id)
        assert "The model is not responding (127.0.0.1 answered 503: Loading model)" in notice
        assert (reply, state.spent.steps) == ("Done.", 1)


async def test_long_outage_opens_a_request_and_an_answer_retries(database: Database, running_bot) -> None:
    model = ScriptedModel(*[build_completion(CompletionOutcome.FAILED)] * 36, DONE)
    async with running_bot(database, model) as harness:
        started_at = harness.clock.now()
        thread_id = await harness.post_message("hello")
        await advance_to_retry(harness, thread_id, 35)
        request = await harness.wait_for_request(thread_id)
        assert harness.clock.now() - started_at == MAX_MODEL_OUTAGE
        assert "The model has not responded for 30 minutes" in (request.question or "")
        assert "Loading model" in (request.question or "")
        assert len(await list_replies(harness, thread_id)) == 1
        await harness.answer_request(request, "answer", text="again", person_key="alice")
        await harness.wait_until_done(thread_id)


@on_every_setup
async def test_restart_does_not_reset_the_outage_limit(database: Database, running_bot) -> None:
    async with running_bot(
        database, ScriptedModel(build_completion(CompletionOutcome.FAILED, retry_after=1700.0))
    ) as harness:
        thread_id = await harness.post_message("hello")
        await harness.wait_until(
            thread_id, lambda state: state.status == "waiting_for_time" and not state.pending_messages
        )
        clock = harness.clock
    clock.advance(seconds=1750)
    model = ScriptedModel(*[build_completion(CompletionOutcome.FAILED)] * 2)
    async with running_bot(Database.open(database.url), model, clock=clock, id_prefix="b") as harness:
        state = await harness.wait_until(thread_id, lambda state: state.retries == 2 or state.open_request)
        assert state.retry_at is not None
        assert state.outage is not None
        clock.advance(seconds=50)
        await harness.wait_for_request(thread_id)
        assert len(await list_replies(harness, thread_id)) == 1


async def test_retry_time_beyond_the_limit_opens_a_request_at_once(database: Database, running_bot) -> None:
    rate_limited = build_completion(CompletionOutcome.RATE_LIMITED, "try again tomorrow", retry_after=86_400.0)
    async with running_bot(database, ScriptedModel(rate_limited)) as harness:
        request = await harness.wait_for_request(await harness.post_message("hello"))
        assert "try again tomorrow. The model accepts calls again in about 1440 min." in (request.question or "")


async def test_resumed_thread_retries_at_once(database: Database, running_bot) -> None:
    async with running_bot(
        database, ScriptedModel(build_completion(CompletionOutcome.FAILED, retry_after=600.0), DONE)
    ) as harness:
        thread_id = await harness.post_message("hello")
        await harness.wait_until(thread_id, lambda state: state.status == "waiting_for_time")
        await harness.bot.thread_control.pause(thread_id, Address("person:bob"))
        await harness.bot.thread_control.resume(thread_id, Address("person:bob"))
        await harness.wait_until_done(thread_id)


async def test_authentication_error_pauses_with_the_text_of_the_provider(database: Database, running_bot) -> None:
    auth_failed = build_completion(
        CompletionOutcome.AUTH_FAILED, "127.0.0.1 answered 404: no model nope", operator_hint="Check OPENAI_MODEL"
    )
    async with running_bot(database, ScriptedModel(auth_failed, DONE)) as harness:
        thread_id = await harness.post_message("hello")
        state = await harness.wait_for_status(thread_id, "paused")
        reason = "127.0.0.1 answered 404: no model nope. Check OPENAI_MODEL, then resume this thread"
        assert state.paused == reason
        assert await list_replies(harness, thread_id) == [f"I am paused: {reason}."]
        await harness.bot.thread_control.resume(thread_id, Address("person:bob"))
        await harness.wait_until_done(thread_id)


@pytest.mark.parametrize(
    "outcome", [CompletionOutcome.REFUSED, CompletionOutcome.FILTERED, CompletionOutcome.BAD_REQUEST]
)
async def test_question_gives_the_reason(database: Database, running_bot, outcome: CompletionOutcome) -> None:
    async with running_bot(database, ScriptedModel(build_completion(outcome, "the prompt is too long"))) as harness:
        request = await harness.wait_for_request(await harness.post_message("hello"))
        assert "the prompt is too long" in (request.question or "")


async def test_question_after_several_failures_gives_the_last_one(database: Database, running_bot) -> None:
    async with running_bot(
        database, ScriptedModel(*[build_completion(CompletionOutcome.INVALID, "step.tag: too odd")] * 3)
    ) as harness:
        request = await harness.wait_for_request(await harness.post_message("hello"))
        assert request.question == (
            "Several attempts in a row failed; the last one: step.tag: too odd. How should I go on?"
        )


async def test_rejected_output_is_shown_to_the_model(database: Database, running_bot) -> None:
    invalid = build_completion(CompletionOutcome.INVALID, "no valid JSON", rejected_text='{"step": <half')
    model = ScriptedModel(invalid, DONE)
    async with running_bot(database, model) as harness:
        await harness.wait_until_done(await harness.post_message("hello"))
        assert 'no valid JSON\nIt began: {"step": &lt;half' in model.received[1].prompt.user


async def test_nothing_to_do_is_reported_with_its_reason(database: Database, running_bot) -> None:
    async with running_bot(database, ScriptedModel(NothingToDo(reason="production is up to date"))) as harness:
        thread_id = await harness.post_message("hello")
        await harness.wait_until_done(thread_id)
        assert await list_replies(harness, thread_id) == [
            "There is nothing for me to do here: production is up to date"
        ]


async def test_long_wait_is_announced_once(database: Database, running_bot) -> None:
    two_waits = [Await(seconds=3600, reason="the build"), Await(seconds=3600, reason="the build")]
    async with running_bot(database, ScriptedModel(*two_waits, NothingToDo(reason="all is well"))) as harness:
        thread_id = await harness.post_message("hello")
        for round_number in (1, 2):
            await harness.wait_until(
                thread_id, lambda state: state.timer_at is not None and state.timer_at > harness.clock.now()
            )
            assert len(await list_notices(harness, thread_id)) == 1, round_number
            harness.clock.advance(seconds=3600)
        await harness.wait_until_done(thread_id)
        (notice,) = await list_notices(harness, thread_id)
        assert notice.startswith("I will wait until ")
        assert notice.endswith(" UTC and then continue: the build")
        assert await list_replies(harness, thread_id) == ["There is nothing for me to do here: all is well"]


async def test_budget_request_gives_the_used_and_requested_amount(database: Database, running_bot) -> None:
    look = Completion(
        outcome=CompletionOutcome.OK, model="m", step={"intent": "call_tool", "tool": "look", "arguments": {}}
    )
    async with running_bot(database, ScriptedModel(look, look), budget=Budget(steps=2)) as harness:
        request = await harness.wait_for_request(await harness.post_message("look around"))
        assert request.question == "used 2 of 2 steps; allow 2 more?"


def test_limit_is_half_an_hour() -> None:
    assert timedelta(minutes=30) == MAX_MODEL_OUTAGE
