"""A provider's limits are kept by all processes together, and cost no thread its patience."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from agents.agent import Agent
from agents.completion import Completion, CompletionOutcome
from agents.model import ModelRequest, OnPartialReply
from agents.openai_model import OpenAIModel
from agents.prompt import render_prompt
from agents.state import ThreadState
from agents.steps import DoneForNow
from bot.rate_limit_gate import RateLimitGate
from bot.rate_limited_model import RateLimitedModel
from storage.database import Database
from tests.bot_harness import WAIT_TIMEOUT_SECONDS, BotHarness, running_bot
from tests.databases import DATABASES, drop_if_shared_server
from tests.fakes.clock import FakeClock
from tests.fakes.openai_server import FakeOpenAI

DONE = DoneForNow(message="Done.")
HELPER = Agent(name="helper", purpose="helps", instructions="Help.", tools=())
TURN = ModelRequest(ThreadState(), HELPER, render_prompt(ThreadState(), HELPER))


class Provider:
    """A model in this process that answers when it is let, and counts who asks at the same time."""

    def __init__(self, *ends: Completion) -> None:
        self.ends = list(ends)
        self.asked = self.at_once = self.most_at_once = 0
        self.open = asyncio.Event()
        self.open.set()

    async def complete(self, model_request: ModelRequest, on_partial: OnPartialReply | None = None) -> Completion:
        self.asked += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await self.open.wait()
        if on_partial:
            on_partial("Done")
        self.at_once -= 1
        return self.ends.pop(0) if self.ends else Completion(outcome=CompletionOutcome.OK, model="m", step=DONE)


def refused(seconds: float | None) -> Completion:
    return Completion(outcome=CompletionOutcome.RATE_LIMITED, model="m", retry_after=seconds)


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Whether wake-ups are jobs there makes no difference here."""
    url = DATABASES[request.param](tmp_path)
    yield url
    drop_if_shared_server(url)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def build_limited_model(database: Database, clock: FakeClock) -> Callable[..., RateLimitedModel]:
    """The model as one process has it."""

    def made(provider: Provider, at_once: int = 16) -> RateLimitedModel:
        return RateLimitedModel(provider, "m", RateLimitGate(database, clock.now), at_once)

    return made


async def everybody_had_a_turn() -> None:
    for _ in range(100):
        await asyncio.sleep(0)


async def test_so_many_calls_go_out_at_once_and_the_others_follow(build_limited_model) -> None:
    provider = Provider()
    provider.open.clear()
    model = build_limited_model(provider, at_once=3)
    calls = [asyncio.create_task(model.complete(TURN)) for _ in range(10)]
    async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
        while provider.asked < 3:
            await everybody_had_a_turn()
        provider.open.set()
        ends = await asyncio.gather(*calls)
    assert [end.outcome for end in ends] == [CompletionOutcome.OK] * 10
    assert (provider.asked, provider.most_at_once) == (10, 3)


async def test_who_wants_to_be_told_the_words_is_told_unless_nobody_is_asked(build_limited_model) -> None:
    told: list[str] = []
    model = build_limited_model(Provider(refused(30)))
    await model.complete(TURN, told.append)
    assert (await model.complete(TURN, told.append)).outcome is CompletionOutcome.DEFERRED
    assert told == ["Done"]


async def test_what_one_process_is_told_all_others_heed_until_the_time_has_come(build_limited_model, clock) -> None:
    told, others = Provider(refused(30)), Provider()
    here, there = build_limited_model(told), build_limited_model(others)
    assert (await here.complete(TURN)).outcome is CompletionOutcome.RATE_LIMITED
    for model in (here, there):
        end = await model.complete(TURN)
        assert (end.outcome, end.retry_after, end.model) == (CompletionOutcome.DEFERRED, 30, "m")
    clock.advance(seconds=30)
    assert [(await model.complete(TURN)).outcome for model in (here, there)] == [CompletionOutcome.OK] * 2
    assert (told.asked, others.asked) == (2, 1)


async def test_even_a_short_pause_is_waited_for_by_nobody_who_holds_a_slot(build_limited_model, clock) -> None:
    provider = Provider(refused(0.5))
    model = build_limited_model(provider, at_once=1)
    await model.complete(TURN)
    end = await model.complete(TURN)
    assert (end.outcome, end.retry_after, clock._sleepers) == (CompletionOutcome.DEFERRED, 0.5, [])
    clock.advance(seconds=0.5)
    assert (await model.complete(TURN)).outcome is CompletionOutcome.OK


@pytest.mark.parametrize(
    "end", [refused(None), Completion(outcome=CompletionOutcome.UNAVAILABLE, model="m", retry_after=30)]
)
async def test_without_a_limit_and_a_time_there_is_no_pause(build_limited_model, end) -> None:
    model = build_limited_model(Provider(end))
    await model.complete(TURN)
    assert (await model.complete(TURN)).outcome is CompletionOutcome.OK


async def test_the_database_is_asked_once_in_a_second_however_many_calls_there_are(
    build_limited_model, database, clock
) -> None:
    looks = PauseQueryCounter(database)
    model = build_limited_model(Provider())
    for _ in range(3):
        await asyncio.gather(*(model.complete(TURN) for _ in range(20)))
    assert looks.count == 1
    clock.advance(seconds=1)
    await model.complete(TURN)
    assert looks.count == 2


class PauseQueryCounter:
    """How often the database was asked for a pause."""

    def __init__(self, database: Database) -> None:
        self.count = 0
        transactions: Any = database._executor
        engine = transactions.connections.engine if database.is_multi_process else transactions.engine
        event.listen(engine, "before_cursor_execute", self._note)

    def _note(self, _connection, _cursor, statement: str, *_: object) -> None:
        self.count += "FROM pause" in statement


async def test_an_answer_is_kept_though_the_pause_cannot_be(build_limited_model, database) -> None:
    provider = Provider(refused(30))
    model = build_limited_model(provider)
    provider.open.clear()
    call = asyncio.create_task(model.complete(TURN))
    async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
        while not provider.asked:
            await everybody_had_a_turn()
        await database.close()
        provider.open.set()
        assert (await call).outcome is CompletionOutcome.RATE_LIMITED
    assert (await model.complete(TURN)).outcome is CompletionOutcome.DEFERRED


@asynccontextmanager
async def process(url: str, provider: FakeOpenAI, clock: FakeClock, run: str) -> AsyncIterator[BotHarness]:
    database = Database.open(url)
    asked = OpenAIModel(provider.key, provider.base_url, provider.model)
    model = RateLimitedModel(asked, provider.model, RateLimitGate(database, clock.now), 16)
    async with running_bot(database, model, has_job_queue=True, clock=clock, run=run) as home:
        yield home
    await asked.close()


async def test_two_processes_leave_a_provider_alone_that_told_one_of_them_to_wait(postgres_url: str, clock) -> None:
    async with FakeOpenAI.running() as provider:
        provider.will_fail(429, headers={"retry-after": "30"})
        for _ in range(3):
            provider.will_choose(intent="done_for_now", message="hello")
        async with (
            process(postgres_url, provider, clock, "a") as here,
            process(postgres_url, provider, clock, "b") as there,
        ):
            threads = [await here.post_message("one")]
            await here.wait_until(threads[0], lambda s: s.status == "waiting_for_time")
            threads += [await there.post_message("two"), await here.post_message("three")]
            for thread in threads:
                state = await there.wait_until(thread, lambda s: s.status == "waiting_for_time")
                assert state.retry_at == clock.now() + timedelta(seconds=30)
            assert len(provider.received) == 1
            clock.advance(seconds=30)
            for thread in threads:
                await there.wait_until_settled(thread)
            assert [(await there.bot.engine.load(thread)).spent.steps for thread in threads] == [1, 1, 1]
