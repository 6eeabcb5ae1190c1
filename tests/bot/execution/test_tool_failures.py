"""Each failure of a tool ends its call, is reported to people and the model, and is logged with its code location."""

import asyncio
import logging
import threading
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest

from agents.core.agent import Agent
from agents.core.errors import InvalidArguments, ToolError, Unavailable
from agents.core.events import StepChosen, ToolCalled, ToolFailed, ToolOutcomeUnknown, ToolStarted, ToolSucceeded
from agents.core.policy import ApprovalTerms
from agents.core.steps import DoneForNow
from agents.core.tools import Tool, ToolContext, ToolResult, tool
from bot.execution.embedded import EmbeddedBackend
from bot.execution.tools.outcomes import MAX_CHECK_ATTEMPTS, MAX_POSTPONEMENTS
from bot.log import configure_logging
from storage.database.database import Database
from tests.bot.conftest import on_every_setup
from tests.fakes.scripted_model import ScriptedModel
from tests.harness.bot import BotHarness

DONE = DoneForNow(message="Done.")
SECRET = "token=hunter2"
THIS_FILE = "bot/execution/test_tool_failures.py:"
TIMEOUT_SECONDS = 90.0


def build_agent(*tools: Tool, **settings: Any) -> Agent:
    return Agent(name="desk", purpose="", instructions="", tools=tools, **settings)


async def advance_through_back_offs(harness: BotHarness, thread_id: str, times: int) -> None:
    """Advance the clock past the delays before the next attempts."""
    for _ in range(times):
        state = await harness.wait_until(thread_id, lambda state: state.status == "waiting_for_time")
        harness.clock.advance(seconds=300)
        await harness.wait_until(thread_id, lambda state, version=state.version: state.version > version)


async def get_only_event(harness: BotHarness, thread_id: str, event_class: type[Any]) -> Any:
    [event] = [event for event in await harness.events(thread_id) if isinstance(event, event_class)]
    return event


@pytest.fixture
def log_output() -> Iterator[StringIO]:
    root, own = logging.getLogger(), logging.getLogger("handrail")
    handlers, levels = root.handlers[:], (root.level, own.level)
    stream = StringIO()
    configure_logging("info", "json", stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    own.setLevel(levels[1])


# --- a check that raises, hangs or returns the wrong type ---


def check_that_raises(context: ToolContext) -> ToolResult | None:
    raise ValueError(SECRET)


def check_that_hangs(context: ToolContext) -> ToolResult | None:
    threading.Event().wait(0.3)
    return None


def check_with_wrong_type(context: ToolContext) -> ToolResult | None:
    return True  # type: ignore[return-value]


@pytest.mark.parametrize("check", [check_that_raises, check_that_hangs, check_with_wrong_type])
async def test_failing_check_is_retried_and_then_a_person_is_asked(database: Database, running_bot, check) -> None:
    @tool(effect="verifiable", check=check, timeout=0.05)
    def move(context: ToolContext) -> ToolResult:
        """Move."""
        raise Unavailable("the connection was lost")

    async with running_bot(database, ScriptedModel({"intent": "move"}, DONE), main_agent=build_agent(move)) as harness:
        thread_id = await harness.post_message("move")
        await advance_through_back_offs(harness, thread_id, MAX_CHECK_ATTEMPTS - 1)
        request = await harness.wait_for_request(thread_id)
        assert (request.purpose, request.choices) == ("outcome", ("ran", "did not run", "run again"))
        event_types = await harness.event_types(thread_id)
        assert (event_types.count("ToolStarted"), event_types.count("ToolFailed")) == (1, MAX_CHECK_ATTEMPTS - 1)
        unknown_outcome = await get_only_event(harness, thread_id, ToolOutcomeUnknown)
        assert unknown_outcome.where.startswith(THIS_FILE)
        assert SECRET not in unknown_outcome.detail
        await harness.answer_request(request, "answer", text="did not run")
        await harness.wait_until_done(thread_id)
        await harness.check_replay(thread_id)


async def test_failing_check_after_a_crash_has_the_same_limit(database_url: str, running_bot) -> None:
    run_started, may_return = threading.Event(), threading.Event()

    @tool(effect="verifiable", check=check_that_raises)
    def move(context: ToolContext) -> ToolResult:
        """Move."""
        run_started.set()
        may_return.wait(TIMEOUT_SECONDS)
        return ToolResult(summary="moved")

    async with running_bot(
        Database.open(database_url), ScriptedModel({"intent": "move"}), main_agent=build_agent(move)
    ) as harness:
        thread_id = await harness.post_message("move")
        await asyncio.to_thread(run_started.wait, TIMEOUT_SECONDS)
        await harness.crash()
        may_return.set()
    async with running_bot(
        Database.open(database_url), ScriptedModel(DONE), main_agent=build_agent(move), id_prefix="b"
    ) as harness:
        await advance_through_back_offs(harness, thread_id, MAX_CHECK_ATTEMPTS - 1)
        request = await harness.wait_for_request(thread_id)
        assert request.purpose == "outcome"
        assert (await harness.event_types(thread_id)).count("ToolStarted") == 1
        await harness.answer_request(request, "answer", text="run again")
        await harness.wait_until_done(thread_id)
        assert (await harness.event_types(thread_id)).count("ToolStarted") == 2


async def test_retried_check_finds_the_result(database: Database, running_bot) -> None:
    errors = [ValueError("once")]

    def find_result(context: ToolContext) -> ToolResult | None:
        if errors:
            raise errors.pop()
        return ToolResult(summary="it moved")

    @tool(effect="verifiable", check=find_result)
    def move(context: ToolContext) -> ToolResult:
        """Move."""
        raise Unavailable("the connection was lost")

    async with running_bot(database, ScriptedModel({"intent": "move"}, DONE), main_agent=build_agent(move)) as harness:
        thread_id = await harness.post_message("move")
        await advance_through_back_offs(harness, thread_id, 1)
        await harness.wait_until_done(thread_id)
        assert (await get_only_event(harness, thread_id, ToolSucceeded)).summary == "it moved"
        await get_only_event(harness, thread_id, ToolStarted)
        await harness.check_replay(thread_id)


# --- a run that returns the wrong type, cannot be stored, or tries to end the process ---


@pytest.mark.parametrize("effect", ["read", "idempotent", "verifiable", "once"])
async def test_wrong_return_type_fails_the_call_without_a_retry(database: Database, running_bot, effect) -> None:
    def find_nothing(context: ToolContext) -> ToolResult | None:
        return None

    @tool(effect=effect, check=find_nothing if effect == "verifiable" else None)
    def pay(context: ToolContext) -> ToolResult:
        """Pay."""
        return 42  # type: ignore[return-value]

    model = ScriptedModel({"intent": "pay"}, DONE)
    async with running_bot(database, model, main_agent=build_agent(pay)) as harness:
        thread_id = await harness.post_message("pay")
        await harness.wait_until_done(thread_id)
        await get_only_event(harness, thread_id, ToolStarted)
        failure = await get_only_event(harness, thread_id, ToolFailed)
        assert (failure.retry_at, failure.actor) == (None, "tool:pay")
        assert failure.where.startswith(THIS_FILE)
        prompt = model.received[-1].prompt.user
        assert "pay returned int instead of a ToolResult; it ran, so it is not started again" in prompt
        assert THIS_FILE not in prompt


@on_every_setup
async def test_result_that_cannot_be_stored_still_counts_as_success(database: Database, running_bot) -> None:
    @tool(effect="once")
    def pay(context: ToolContext) -> ToolResult:
        """Pay."""
        return ToolResult(summary="paid", data={"receipt": object(), "half": "\ud800"})

    async with running_bot(database, ScriptedModel({"intent": "pay"}, DONE), main_agent=build_agent(pay)) as harness:
        thread_id = await harness.post_message("pay")
        await harness.wait_until_done(thread_id)
        success = await get_only_event(harness, thread_id, ToolSucceeded)
        assert (success.summary, success.result) == ("paid", {"cannot_be_kept": "PydanticSerializationError"})


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), StopIteration(), asyncio.CancelledError()])
async def test_base_exception_of_a_tool_fails_only_its_call(database: Database, running_bot, error) -> None:
    @tool(effect="read", timeout=TIMEOUT_SECONDS)
    def look(context: ToolContext) -> ToolResult:
        """Look."""
        raise error

    async with running_bot(database, ScriptedModel({"intent": "look"}, DONE), main_agent=build_agent(look)) as harness:
        thread_id = await harness.post_message("look")
        await harness.wait_until_done(thread_id)
        assert type(error).__name__ in (await get_only_event(harness, thread_id, ToolFailed)).error


async def test_traceback_and_message_are_logged_but_not_in_the_prompt(
    database: Database, running_bot, log_output: StringIO
) -> None:
    @tool(effect="read")
    def look(context: ToolContext) -> ToolResult:
        """Look."""
        raise ValueError("the answer was half")

    model = ScriptedModel({"intent": "look"}, DONE)
    async with running_bot(database, model, main_agent=build_agent(look)) as harness:
        thread_id = await harness.post_message("look")
        await harness.wait_until_done(thread_id)
        failure = await get_only_event(harness, thread_id, ToolFailed)
    assert (failure.actor, failure.where[: len(THIS_FILE)]) == ("tool:look", THIS_FILE)
    assert failure.error == "an unexpected ValueError; the details are in the operator's log"
    [line] = [line for line in log_output.getvalue().splitlines() if "tool_failed" in line]
    assert '"tool": "look"' in line
    assert "Traceback (most recent call last)" in line
    assert "ValueError: the answer was half" in line
    prompt = model.received[-1].prompt.user
    assert "half" not in prompt
    assert THIS_FILE not in prompt


# --- async tools, and types ---


async def test_async_tools_run_prepare_and_check(database: Database, running_bot) -> None:
    async def resolve(context: ToolContext, count: int) -> dict[str, Any]:
        await asyncio.sleep(0)
        return {"count": count + 1}

    async def find_result(context: ToolContext, count: int) -> ToolResult | None:
        await asyncio.sleep(0)
        return ToolResult(summary=f"moved {count}")

    @tool(effect="verifiable", prepare=resolve, check=find_result)
    async def move(context: ToolContext, count: int) -> ToolResult:
        """Move."""
        await asyncio.sleep(0)
        raise Unavailable("the answer was lost")

    async with running_bot(
        database, ScriptedModel({"intent": "move", "count": 5.0}, DONE), main_agent=build_agent(move)
    ) as harness:
        thread_id = await harness.post_message("move")
        await harness.wait_until_done(thread_id)
        assert (await get_only_event(harness, thread_id, ToolSucceeded)).summary == "moved 6"
        step_event = next(event for event in await harness.events(thread_id) if isinstance(event, StepChosen))
        assert (step_event.step.arguments, type(step_event.step.arguments["count"])) == ({"count": 6}, int)


# --- preparing and prefetching ---


async def test_failing_prepare_rejects_the_call_and_records_its_place(database: Database, running_bot) -> None:
    def resolve(context: ToolContext) -> dict[str, Any]:
        raise KeyError(SECRET)

    @tool(effect="read", prepare=resolve)
    def look(context: ToolContext) -> ToolResult:
        """Look."""
        return ToolResult(summary="looked")

    async with running_bot(database, ScriptedModel({"intent": "look"}, DONE), main_agent=build_agent(look)) as harness:
        thread_id = await harness.post_message("look")
        await harness.wait_until_done(thread_id)
        call = await get_only_event(harness, thread_id, ToolCalled)
        assert call.verdict.reason == "an unexpected KeyError; the details are in the operator's log"
        assert call.where.startswith(THIS_FILE)


async def test_prefetch_of_a_tool_with_required_arguments_is_rejected(database: Database, running_bot) -> None:
    @tool(effect="read")
    def look(context: ToolContext, where: str) -> ToolResult:
        """Look."""
        return ToolResult(summary=where)

    async with running_bot(database, ScriptedModel(DONE), main_agent=build_agent(look, prefetch=("look",))) as harness:
        thread_id = await harness.post_message("hello")
        await harness.wait_until_done(thread_id)
        call = await get_only_event(harness, thread_id, ToolCalled)
        assert call.verdict.reason == (
            "look: where: Field required; only tools without required arguments can be prefetched"
        )
        await harness.check_replay(thread_id)


@pytest.mark.parametrize("error", [ValueError(SECRET), ToolError("there is no such tag")])
async def test_edit_is_rejected_if_its_preparation_fails(database: Database, running_bot, error) -> None:
    errors = iter([None, error])

    def resolve(context: ToolContext, tag: str) -> dict[str, Any]:
        if (next_error := next(errors)) is not None:
            raise next_error
        return {"tag": tag}

    @tool(effect="idempotent", risk="high", ask=ApprovalTerms(roles=("release",)), prepare=resolve)
    def ship(context: ToolContext, tag: str) -> ToolResult:
        """Ship."""
        return ToolResult(summary=tag)

    async with running_bot(
        database, ScriptedModel({"intent": "ship", "tag": "v1"}), main_agent=build_agent(ship)
    ) as harness:
        request = await harness.wait_for_request(await harness.post_message("ship v1"))
        with pytest.raises(InvalidArguments) as rejected:
            await harness.answer_request(request, "edit", arguments={"tag": "v2"})
        assert SECRET not in str(rejected.value)
        assert (await harness.bot.approvals.find_request(request.id)).status == "open"


# --- a tool that hangs ---


@on_every_setup
async def test_call_of_a_hanging_tool_is_postponed_and_finally_fails(database: Database, running_bot) -> None:
    @tool(effect="once")
    def pay(context: ToolContext) -> ToolResult:
        """Pay."""
        return ToolResult(summary="paid")

    async with running_bot(database, ScriptedModel({"intent": "pay"}, DONE), main_agent=build_agent(pay)) as harness:
        harness.bot.tool_runner.thread_pool.limits.loads["desk.pay"].hanging = 16
        thread_id = await harness.post_message("pay")
        await advance_through_back_offs(harness, thread_id, MAX_POSTPONEMENTS - 1)
        await harness.wait_until_done(thread_id)
        failures = [event for event in await harness.events(thread_id) if isinstance(event, ToolFailed)]
        assert [event.stage for event in failures] == ["postponed"] * MAX_POSTPONEMENTS
        assert failures[-1].retry_at is None
        assert "ToolStarted" not in await harness.event_types(thread_id)
        await harness.check_replay(thread_id)


def is_full_or_has_room(harness: BotHarness) -> bool:
    """Return whether the tool still has room, or threads that wait for it occupy all slots of an embedded worker."""
    has_room = harness.bot.tool_runner.thread_pool.limits.has_room("desk.count")
    return has_room or (isinstance(harness.bot.backend, EmbeddedBackend) and harness.worker._slots.locked())


@on_every_setup
async def test_calls_of_a_busy_tool_wait_without_being_postponed(database: Database, running_bot) -> None:
    may_return, thread_count = threading.Event(), 80

    @tool(effect="read")
    def count(context: ToolContext) -> ToolResult:
        """Count."""
        may_return.wait(TIMEOUT_SECONDS)
        return ToolResult(summary="one")

    model = ScriptedModel(*[DONE] * thread_count)
    async with running_bot(database, model, main_agent=build_agent(count, prefetch=("count",))) as harness:
        try:
            thread_ids = [await harness.post_message("count") for _ in range(thread_count)]
            await harness.wait_until(thread_ids[-1], lambda state: state.current_call is not None)
            async with asyncio.timeout(TIMEOUT_SECONDS):
                while is_full_or_has_room(harness):  # noqa: ASYNC110 - no event is set for it
                    await asyncio.sleep(0)
        finally:
            may_return.set()
        for thread_id in thread_ids:
            while (await harness.bot.engine.load(thread_id)).lifecycle != "done":
                harness.clock.advance(seconds=1)
            assert "ToolFailed" not in await harness.event_types(thread_id)
