"""All processes together respect a provider's rate limits, and waiting for them does not fail a thread."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from agents.core.agent import Agent
from agents.core.completion import Completion, CompletionOutcome
from agents.core.state import ThreadState
from agents.core.steps import DoneForNow
from agents.llm.base import ModelRequest, OnPartialReply
from agents.llm.openai.model import OpenAIModel
from agents.llm.prompt import render_prompt
from bot.execution.model_limits import RateLimitedModel, RateLimitGate
from storage.database.database import Database
from tests.databases import DATABASES, drop_if_server_outlives_tests
from tests.fakes.clock import FakeClock
from tests.fakes.openai_server import FakeOpenAI
from tests.harness.bot import BotHarness, running_bot
from tests.harness.time_limits import WAIT_TIMEOUT_SECONDS

DONE = DoneForNow(message="Done.")
HELPER = Agent(name="helper", purpose="helps", instructions="Help.", tools=())
MODEL_REQUEST = ModelRequest(ThreadState(), HELPER, render_prompt(ThreadState(), HELPER))


class CountingModel:
    """A model that completes calls while `is_open` is set, and counts calls and concurrent calls."""

    def __init__(self, *completions: Completion) -> None:
        self.completions = list(completions)
        self.calls = self.concurrent_calls = self.max_concurrent_calls = 0
        self.is_open = asyncio.Event()
        self.is_open.set()

    async def complete(self, model_request: ModelRequest, on_partial: OnPartialReply | None = None) -> Completion:
        self.calls += 1
        self.concurrent_calls += 1
        self.max_concurrent_calls = max(self.max_concurrent_calls, self.concurrent_calls)
        await self.is_open.wait()
        if on_partial:
            on_partial("Done")
        self.concurrent_calls -= 1
        if self.completions:
            return self.completions.pop(0)
        return Completion(outcome=CompletionOutcome.OK, model="m", step=DONE)


def build_rate_limit(seconds: float | None) -> Completion:
    """Return the outcome of a call that the provider rejected, with its Retry-After."""
    return Completion(outcome=CompletionOutcome.RATE_LIMITED, model="m", retry_after=seconds)


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """URL of a database of each kind; the execution backend makes no difference here."""
    url = DATABASES[request.param](tmp_path)
    yield url
    drop_if_server_outlives_tests(url)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def build_limited_model(database: Database, clock: FakeClock) -> Callable[..., RateLimitedModel]:
    """Function that builds the model of one process."""

    def build(provider: CountingModel, max_concurrency: int = 16) -> RateLimitedModel:
        return RateLimitedModel(provider, "m", RateLimitGate(database, clock.now), max_concurrency)

    return build


async def let_other_tasks_run() -> None:
    for _ in range(100):
        await asyncio.sleep(0)


async def test_concurrent_calls_are_limited_and_others_wait(build_limited_model) -> None:
    provider = CountingModel()
    provider.is_open.clear()
    model = build_limited_model(provider, max_concurrency=3)
    calls = [asyncio.create_task(model.complete(MODEL_REQUEST)) for _ in range(10)]
    async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
        while provider.calls < 3:
            await let_other_tasks_run()
        provider.is_open.set()
        completions = await asyncio.gather(*calls)
    assert [completion.outcome for completion in completions] == [CompletionOutcome.OK] * 10
    assert (provider.calls, provider.max_concurrent_calls) == (10, 3)


async def test_partial_replies_are_passed_on_except_for_deferred_calls(build_limited_model) -> None:
    partial_replies: list[str] = []
    model = build_limited_model(CountingModel(build_rate_limit(30)))
    await model.complete(MODEL_REQUEST, partial_replies.append)
    assert (await model.complete(MODEL_REQUEST, partial_replies.append)).outcome is CompletionOutcome.DEFERRED
    assert partial_replies == ["Done"]


async def test_rate_limit_of_one_process_defers_calls_of_all(build_limited_model, clock) -> None:
    limited, unlimited = CountingModel(build_rate_limit(30)), CountingModel()
    first, second = build_limited_model(limited), build_limited_model(unlimited)
    assert (await first.complete(MODEL_REQUEST)).outcome is CompletionOutcome.RATE_LIMITED
    for model in (first, second):
        completion = await model.complete(MODEL_REQUEST)
        assert (completion.outcome, completion.retry_after, completion.model) == (CompletionOutcome.DEFERRED, 30, "m")
    clock.advance(seconds=30)
    assert [(await model.complete(MODEL_REQUEST)).outcome for model in (first, second)] == [CompletionOutcome.OK] * 2
    assert (limited.calls, unlimited.calls) == (2, 1)


async def test_short_rate_limit_does_not_hold_a_slot(build_limited_model, clock) -> None:
    provider = CountingModel(build_rate_limit(0.5))
    model = build_limited_model(provider, max_concurrency=1)
    await model.complete(MODEL_REQUEST)
    completion = await model.complete(MODEL_REQUEST)
    assert (completion.outcome, completion.retry_after, clock._sleepers) == (CompletionOutcome.DEFERRED, 0.5, [])
    clock.advance(seconds=0.5)
    assert (await model.complete(MODEL_REQUEST)).outcome is CompletionOutcome.OK


@pytest.mark.parametrize(
    "completion", [build_rate_limit(None), Completion(outcome=CompletionOutcome.UNAVAILABLE, model="m", retry_after=30)]
)
async def test_only_a_rate_limit_with_a_time_blocks_calls(build_limited_model, completion) -> None:
    model = build_limited_model(CountingModel(completion))
    await model.complete(MODEL_REQUEST)
    assert (await model.complete(MODEL_REQUEST)).outcome is CompletionOutcome.OK


async def test_rate_limit_is_queried_once_per_second(build_limited_model, database, clock) -> None:
    queries = RateLimitQueryCounter(database)
    model = build_limited_model(CountingModel())
    for _ in range(3):
        await asyncio.gather(*(model.complete(MODEL_REQUEST) for _ in range(20)))
    assert queries.count == 1
    clock.advance(seconds=1)
    await model.complete(MODEL_REQUEST)
    assert queries.count == 2


class RateLimitQueryCounter:
    """Counts the queries for the time until which calls are blocked."""

    def __init__(self, database: Database) -> None:
        self.count = 0
        executor: Any = database._executor
        engine = executor.connections.engine if database.is_multi_process else executor.engine
        event.listen(engine, "before_cursor_execute", self._on_execute)

    def _on_execute(self, _connection, _cursor, statement: str, *_: object) -> None:
        self.count += "FROM pause" in statement


async def test_rate_limit_holds_in_its_process_without_the_database(build_limited_model, database) -> None:
    provider = CountingModel(build_rate_limit(30))
    model = build_limited_model(provider)
    provider.is_open.clear()
    call = asyncio.create_task(model.complete(MODEL_REQUEST))
    async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
        while not provider.calls:
            await let_other_tasks_run()
        await database.close()
        provider.is_open.set()
        assert (await call).outcome is CompletionOutcome.RATE_LIMITED
    assert (await model.complete(MODEL_REQUEST)).outcome is CompletionOutcome.DEFERRED


@asynccontextmanager
async def running_process(url: str, provider: FakeOpenAI, clock: FakeClock, run: str) -> AsyncIterator[BotHarness]:
    database = Database.open(url)
    openai = OpenAIModel(provider.key, provider.base_url, provider.model)
    model = RateLimitedModel(openai, provider.model, RateLimitGate(database, clock.now), 16)
    async with running_bot(database, model, has_job_queue=True, clock=clock, id_prefix=run) as harness:
        yield harness
    await openai.close()


async def test_two_processes_respect_the_rate_limit_of_a_provider(postgres_url: str, clock) -> None:
    async with FakeOpenAI.running() as provider:
        provider.will_fail(429, headers={"retry-after": "30"})
        for _ in range(3):
            provider.will_choose(intent="done_for_now", message="hello")
        async with (
            running_process(postgres_url, provider, clock, "a") as first,
            running_process(postgres_url, provider, clock, "b") as second,
        ):
            thread_ids = [await first.post_message("one")]
            await first.wait_until(thread_ids[0], lambda state: state.status == "waiting_for_time")
            thread_ids += [await second.post_message("two"), await first.post_message("three")]
            for thread_id in thread_ids:
                state = await second.wait_until(thread_id, lambda state: state.status == "waiting_for_time")
                assert state.retry_at == clock.now() + timedelta(seconds=30)
            assert len(provider.received) == 1
            clock.advance(seconds=30)
            for thread_id in thread_ids:
                await second.wait_until_done(thread_id)
            assert [(await second.bot.engine.load(thread_id)).spent.steps for thread_id in thread_ids] == [1, 1, 1]
