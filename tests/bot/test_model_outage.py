"""A model that does not answer is waited for, with one notice; what nobody can answer pauses the thread."""

from datetime import timedelta

import pytest

from agents.addresses import Address
from agents.budget import Budget
from agents.completion import Completion, CompletionOutcome
from agents.steps import Await, DoneForNow, NothingToDo
from bot.model_calls import MAX_MODEL_OUTAGE
from storage.database import Database
from tests.bot_harness import BotHarness
from tests.fakes.scripted_model import ScriptedModel

DONE = DoneForNow(message="Done.")


def ended(outcome: CompletionOutcome, detail: str = "127.0.0.1 answered 503: Loading model", **facts) -> Completion:
    return Completion(outcome=outcome, model="scripted", detail=detail, **facts)


async def waits(home: BotHarness, thread: str, rounds: int) -> None:
    """Let the clock go to the next retry, so many times."""
    for _ in range(rounds):
        state = await home.wait_until(thread, lambda s: s.retry_at is not None and s.retry_at > home.clock.now())
        home.clock.advance(seconds=(state.retry_at - home.clock.now()).total_seconds())


async def replies(home: BotHarness, thread: str) -> list[str]:
    return [event.text for event in await home.events(thread) if event.type == "ReplyChosen"]


async def notices(home: BotHarness, thread: str) -> list[str]:
    return [event.text for event in await home.events(thread) if event.type == "NoticeGiven"]


async def test_short_outage_is_waited_for_without_a_word(database: Database, running_bot) -> None:
    async with running_bot(database, ScriptedModel(*[ended(CompletionOutcome.FAILED)] * 2, DONE)) as home:
        thread = await home.post_message("hello")
        await waits(home, thread, 2)
        await home.wait_until_settled(thread)
        assert await replies(home, thread) == ["Done."]


async def test_long_outage_is_told_once_and_costs_no_steps(database: Database, running_bot) -> None:
    model = ScriptedModel(*[ended(CompletionOutcome.UNAVAILABLE)] * 20, DONE)
    async with running_bot(database, model, budget=Budget(steps=2)) as home:
        thread = await home.post_message("hello")
        await waits(home, thread, 20)
        state = await home.wait_until_settled(thread)
        notice, done = await replies(home, thread)
        assert "does not answer at the moment (127.0.0.1 answered 503: Loading model)" in notice
        assert (done, state.spent.steps) == ("Done.", 1)


async def test_person_is_asked_after_the_limit_and_an_answer_tries_again(database: Database, running_bot) -> None:
    model = ScriptedModel(*[ended(CompletionOutcome.FAILED)] * 36, DONE)
    async with running_bot(database, model) as home:
        began = home.clock.now()
        thread = await home.post_message("hello")
        await waits(home, thread, 35)
        request = await home.wait_for_request(thread)
        assert home.clock.now() - began == MAX_MODEL_OUTAGE
        assert "I tried for 30 minutes" in (request.question or "")
        assert "Loading model" in (request.question or "")
        assert len(await replies(home, thread)) == 1
        await home.answer_request(request, "answer", text="again", person_key="alice")
        await home.wait_until_settled(thread)


async def test_restart_does_not_start_the_wait_over(database: Database, running_bot) -> None:
    async with running_bot(database, ScriptedModel(ended(CompletionOutcome.FAILED, retry_after=1700.0))) as home:
        thread = await home.post_message("hello")
        await home.wait_until(thread, lambda s: s.status == "waiting_for_time" and not s.pending_messages)
        clock = home.clock
    clock.advance(seconds=1750)
    model = ScriptedModel(*[ended(CompletionOutcome.FAILED)] * 2)
    async with running_bot(Database.open(database.url), model, clock=clock, run="b") as home:
        state = await home.wait_until(thread, lambda s: s.retries == 2 or s.open_request)
        assert state.retry_at is not None
        assert state.outage is not None
        clock.advance(seconds=50)
        await home.wait_for_request(thread)
        assert len(await replies(home, thread)) == 1


async def test_time_that_lies_too_far_away_is_told_at_once(database: Database, running_bot) -> None:
    limited = ended(CompletionOutcome.RATE_LIMITED, "try again tomorrow", retry_after=86_400.0)
    async with running_bot(database, ScriptedModel(limited)) as home:
        request = await home.wait_for_request(await home.post_message("hello"))
        assert "try again tomorrow. It may be asked again in 1440 minutes" in (request.question or "")


async def test_resumed_thread_tries_again_at_once(database: Database, running_bot) -> None:
    async with running_bot(database, ScriptedModel(ended(CompletionOutcome.FAILED, retry_after=600.0), DONE)) as home:
        thread = await home.post_message("hello")
        await home.wait_until(thread, lambda s: s.status == "waiting_for_time")
        await home.bot.thread_control.pause(thread, Address("person:bob"))
        await home.bot.thread_control.resume(thread, Address("person:bob"))
        await home.wait_until_settled(thread)


async def test_denial_pauses_with_the_words_of_the_provider(database: Database, running_bot) -> None:
    denied = ended(CompletionOutcome.AUTH_FAILED, "127.0.0.1 answered 404: no model nope", advice="Check OPENAI_MODEL")
    async with running_bot(database, ScriptedModel(denied, DONE)) as home:
        thread = await home.post_message("hello")
        state = await home.wait_until_settled(thread, "paused")
        told = "127.0.0.1 answered 404: no model nope. Check OPENAI_MODEL, then resume this thread"
        assert state.paused == told
        assert await replies(home, thread) == [f"I am paused: {told}."]
        await home.bot.thread_control.resume(thread, Address("person:bob"))
        await home.wait_until_settled(thread)


@pytest.mark.parametrize(
    "outcome", [CompletionOutcome.REFUSED, CompletionOutcome.FILTERED, CompletionOutcome.BAD_REQUEST]
)
async def test_question_names_the_reason(database: Database, running_bot, outcome: CompletionOutcome) -> None:
    async with running_bot(database, ScriptedModel(ended(outcome, "the prompt is too long"))) as home:
        request = await home.wait_for_request(await home.post_message("hello"))
        assert "the prompt is too long" in (request.question or "")


async def test_question_after_several_failures_names_the_last_one(database: Database, running_bot) -> None:
    async with running_bot(
        database, ScriptedModel(*[ended(CompletionOutcome.INVALID, "step.tag: too odd")] * 3)
    ) as home:
        request = await home.wait_for_request(await home.post_message("hello"))
        assert request.question == (
            "Several attempts in a row failed; the last one: step.tag: too odd. How should I go on?"
        )


async def test_refused_generation_is_shown_to_the_model(database: Database, running_bot) -> None:
    invalid = ended(CompletionOutcome.INVALID, "no valid JSON", written='{"step": <half')
    model = ScriptedModel(invalid, DONE)
    async with running_bot(database, model) as home:
        await home.wait_until_settled(await home.post_message("hello"))
        assert 'no valid JSON\nIt began: {"step": &lt;half' in model.received[1].prompt.user


async def test_person_gets_a_line_where_there_is_nothing_to_do(database: Database, running_bot) -> None:
    async with running_bot(database, ScriptedModel(NothingToDo(reason="production is up to date"))) as home:
        thread = await home.post_message("hello")
        await home.wait_until_settled(thread)
        assert await replies(home, thread) == ["There is nothing for me to do here: production is up to date"]


async def test_person_is_told_of_a_long_wait_once(database: Database, running_bot) -> None:
    waits_twice = [Await(seconds=3600, reason="the build"), Await(seconds=3600, reason="the build")]
    async with running_bot(database, ScriptedModel(*waits_twice, NothingToDo(reason="all is well"))) as home:
        thread = await home.post_message("hello")
        for nth in (1, 2):
            await home.wait_until(thread, lambda s: s.timer_at is not None and s.timer_at > home.clock.now())
            assert len(await notices(home, thread)) == 1, nth
            home.clock.advance(seconds=3600)
        await home.wait_until_settled(thread)
        (told,) = await notices(home, thread)
        assert told.startswith("I will wait until ")
        assert told.endswith(" UTC and then go on: the build")
        assert await replies(home, thread) == ["There is nothing for me to do here: all is well"]


async def test_budget_is_asked_for_in_words(database: Database, running_bot) -> None:
    look = Completion(
        outcome=CompletionOutcome.OK, model="m", step={"intent": "call_tool", "tool": "look", "arguments": {}}
    )
    async with running_bot(database, ScriptedModel(look, look), budget=Budget(steps=2)) as home:
        request = await home.wait_for_request(await home.post_message("look around"))
        assert request.question == "used 2 of 2 steps; allow 2 more?"


def test_limit_is_half_an_hour() -> None:
    assert timedelta(minutes=30) == MAX_MODEL_OUTAGE
