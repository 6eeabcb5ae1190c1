"""However a tool fails, its call ends, people and the model are told, and the operator can find the place."""

import asyncio
import logging
import threading
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest

from agents.agent import Agent
from agents.errors import InvalidArguments, ToolError, Unavailable
from agents.events import StepChosen, ToolCalled, ToolFailed, ToolOutcomeUnknown, ToolStarted, ToolSucceeded
from agents.policy import ApprovalTerms
from agents.steps import DoneForNow
from agents.tools import Tool, ToolContext, ToolResult, tool
from bot.embedded_backend import EmbeddedBackend
from bot.log import configure_logging
from bot.tool_call_outcomes import MAX_CHECK_ATTEMPTS, MAX_POSTPONEMENTS
from storage.database import Database
from tests.bot_harness import BotHarness
from tests.fakes.scripted_model import ScriptedModel

DONE = DoneForNow(message="Done.")
SECRET = "token=hunter2"
HERE = "tests/bot/test_tool_failures.py:"
PATIENCE = 20.0


def desk(*tools: Tool, **more: Any) -> Agent:
    return Agent(name="desk", purpose="", instructions="", tools=tools, **more)


async def through_back_offs(home: BotHarness, thread: str, times: int) -> None:
    """Let the waits before the next attempts pass."""
    for _ in range(times):
        state = await home.wait_until(thread, lambda s: s.status == "waiting_for_time")
        home.clock.advance(seconds=300)
        await home.wait_until(thread, lambda s, v=state.version: s.version > v)


async def only(home: BotHarness, thread: str, kind: type[Any]) -> Any:
    [event] = [event for event in await home.events(thread) if isinstance(event, kind)]
    return event


@pytest.fixture
def lines() -> Iterator[StringIO]:
    root, ours = logging.getLogger(), logging.getLogger("handrail")
    handlers, levels = root.handlers[:], (root.level, ours.level)
    stream = StringIO()
    configure_logging("info", "json", stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    ours.setLevel(levels[1])


# --- a check that raises, hangs or answers nonsense ---


def raises(context: ToolContext) -> ToolResult | None:
    raise ValueError(SECRET)


def hangs(context: ToolContext) -> ToolResult | None:
    threading.Event().wait(0.3)
    return None


def answers_nonsense(context: ToolContext) -> ToolResult | None:
    return True  # type: ignore[return-value]


@pytest.mark.parametrize("check", [raises, hangs, answers_nonsense])
async def test_check_that_fails_is_tried_a_few_times_and_then_a_person_is_asked(
    database: Database, running_bot, check
) -> None:
    @tool(effect="verifiable", check=check, timeout=0.05)
    def move(context: ToolContext) -> ToolResult:
        """Move."""
        raise Unavailable("the connection was lost")

    async with running_bot(database, ScriptedModel({"intent": "move"}, DONE), desk=desk(move)) as home:
        thread = await home.post_message("move")
        await through_back_offs(home, thread, MAX_CHECK_ATTEMPTS - 1)
        request = await home.wait_for_request(thread)
        assert (request.purpose, request.choices) == ("outcome", ("ran", "did not run", "run again"))
        story = await home.event_types(thread)
        assert (story.count("ToolStarted"), story.count("ToolFailed")) == (1, MAX_CHECK_ATTEMPTS - 1)
        unknown = await only(home, thread, ToolOutcomeUnknown)
        assert unknown.where.startswith(HERE)
        assert SECRET not in unknown.detail
        await home.answer_request(request, "answer", text="did not run")
        await home.wait_until_settled(thread)
        await home.check_replay(thread)


async def test_check_that_fails_after_a_crash_is_limited_too(database_url: str, running_bot) -> None:
    begun, released = threading.Event(), threading.Event()

    @tool(effect="verifiable", check=raises)
    def move(context: ToolContext) -> ToolResult:
        """Move."""
        begun.set()
        released.wait(PATIENCE)
        return ToolResult(summary="moved")

    async with running_bot(Database.open(database_url), ScriptedModel({"intent": "move"}), desk=desk(move)) as home:
        thread = await home.post_message("move")
        await asyncio.to_thread(begun.wait, PATIENCE)
        await home.crash()
        released.set()
    async with running_bot(Database.open(database_url), ScriptedModel(DONE), desk=desk(move), run="b") as home:
        await through_back_offs(home, thread, MAX_CHECK_ATTEMPTS - 1)
        request = await home.wait_for_request(thread)
        assert request.purpose == "outcome"
        assert (await home.event_types(thread)).count("ToolStarted") == 1
        await home.answer_request(request, "answer", text="run again")
        await home.wait_until_settled(thread)
        assert (await home.event_types(thread)).count("ToolStarted") == 2


async def test_check_that_works_again_finds_what_happened(database: Database, running_bot) -> None:
    troubles = [ValueError("once")]

    def happened(context: ToolContext) -> ToolResult | None:
        if troubles:
            raise troubles.pop()
        return ToolResult(summary="it moved")

    @tool(effect="verifiable", check=happened)
    def move(context: ToolContext) -> ToolResult:
        """Move."""
        raise Unavailable("the connection was lost")

    async with running_bot(database, ScriptedModel({"intent": "move"}, DONE), desk=desk(move)) as home:
        thread = await home.post_message("move")
        await through_back_offs(home, thread, 1)
        await home.wait_until_settled(thread)
        assert (await only(home, thread, ToolSucceeded)).summary == "it moved"
        await only(home, thread, ToolStarted)
        await home.check_replay(thread)


# --- a run that returns the wrong type, cannot be stored, or tries to end the process ---


@pytest.mark.parametrize("effect", ["read", "idempotent", "verifiable", "once"])
async def test_wrong_return_type_is_a_failure_that_is_never_started_again(
    database: Database, running_bot, effect
) -> None:
    def not_there(context: ToolContext) -> ToolResult | None:
        return None

    @tool(effect=effect, check=not_there if effect == "verifiable" else None)
    def pay(context: ToolContext) -> ToolResult:
        """Pay."""
        return 42  # type: ignore[return-value]

    model = ScriptedModel({"intent": "pay"}, DONE)
    async with running_bot(database, model, desk=desk(pay)) as home:
        thread = await home.post_message("pay")
        await home.wait_until_settled(thread)
        await only(home, thread, ToolStarted)
        failed = await only(home, thread, ToolFailed)
        assert (failed.retry_at, failed.actor) == (None, "tool:pay")
        assert failed.where.startswith(HERE)
        told = model.received[-1].prompt.user
        assert "pay returned int instead of a ToolResult; it ran, so it is not started again" in told
        assert HERE not in told


async def test_result_that_cannot_be_kept_does_not_hide_that_the_tool_ran(database: Database, running_bot) -> None:
    @tool(effect="once")
    def pay(context: ToolContext) -> ToolResult:
        """Pay."""
        return ToolResult(summary="paid", data={"receipt": object(), "half": "\ud800"})

    async with running_bot(database, ScriptedModel({"intent": "pay"}, DONE), desk=desk(pay)) as home:
        thread = await home.post_message("pay")
        await home.wait_until_settled(thread)
        done = await only(home, thread, ToolSucceeded)
        assert (done.summary, done.result) == ("paid", {"cannot_be_kept": "PydanticSerializationError"})


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), StopIteration(), asyncio.CancelledError()])
async def test_no_error_of_a_tool_ends_the_server_or_is_lost(database: Database, running_bot, error) -> None:
    @tool(effect="read", timeout=PATIENCE)
    def look(context: ToolContext) -> ToolResult:
        """Look."""
        raise error

    async with running_bot(database, ScriptedModel({"intent": "look"}, DONE), desk=desk(look)) as home:
        thread = await home.post_message("look")
        await home.wait_until_settled(thread)
        assert type(error).__name__ in (await only(home, thread, ToolFailed)).error


async def test_operator_gets_traceback_and_message_and_the_prompt_gets_neither(
    database: Database, running_bot, lines: StringIO
) -> None:
    @tool(effect="read")
    def look(context: ToolContext) -> ToolResult:
        """Look."""
        raise ValueError("the answer was half")

    model = ScriptedModel({"intent": "look"}, DONE)
    async with running_bot(database, model, desk=desk(look)) as home:
        thread = await home.post_message("look")
        await home.wait_until_settled(thread)
        failed = await only(home, thread, ToolFailed)
    assert (failed.actor, failed.where[: len(HERE)]) == ("tool:look", HERE)
    assert failed.error == "an unexpected ValueError; the details are in the operator's log"
    [line] = [line for line in lines.getvalue().splitlines() if "tool_failed" in line]
    assert '"tool": "look"' in line
    assert "Traceback (most recent call last)" in line
    assert "ValueError: the answer was half" in line
    told = model.received[-1].prompt.user
    assert "half" not in told
    assert HERE not in told


# --- async tools, and types ---


async def test_async_tools_run_prepare_and_check(database: Database, running_bot) -> None:
    async def resolved(context: ToolContext, count: int) -> dict[str, Any]:
        await asyncio.sleep(0)
        return {"count": count + 1}

    async def happened(context: ToolContext, count: int) -> ToolResult | None:
        await asyncio.sleep(0)
        return ToolResult(summary=f"moved {count}")

    @tool(effect="verifiable", prepare=resolved, check=happened)
    async def move(context: ToolContext, count: int) -> ToolResult:
        """Move."""
        await asyncio.sleep(0)
        raise Unavailable("the answer was lost")

    async with running_bot(database, ScriptedModel({"intent": "move", "count": 5.0}, DONE), desk=desk(move)) as home:
        thread = await home.post_message("move")
        await home.wait_until_settled(thread)
        assert (await only(home, thread, ToolSucceeded)).summary == "moved 6"
        chosen = next(event for event in await home.events(thread) if isinstance(event, StepChosen))
        assert (chosen.step.arguments, type(chosen.step.arguments["count"])) == ({"count": 6}, int)


# --- preparing and prefetching ---


async def test_prepare_that_fails_refuses_the_call_and_names_the_place(database: Database, running_bot) -> None:
    def resolved(context: ToolContext) -> dict[str, Any]:
        raise KeyError(SECRET)

    @tool(effect="read", prepare=resolved)
    def look(context: ToolContext) -> ToolResult:
        """Look."""
        return ToolResult(summary="looked")

    async with running_bot(database, ScriptedModel({"intent": "look"}, DONE), desk=desk(look)) as home:
        thread = await home.post_message("look")
        await home.wait_until_settled(thread)
        called = await only(home, thread, ToolCalled)
        assert called.verdict.reason == "an unexpected KeyError; the details are in the operator's log"
        assert called.where.startswith(HERE)


async def test_prefetch_of_a_tool_that_needs_arguments_does_not_hold_up_the_thread(
    database: Database, running_bot
) -> None:
    @tool(effect="read")
    def look(context: ToolContext, where: str) -> ToolResult:
        """Look."""
        return ToolResult(summary=where)

    async with running_bot(database, ScriptedModel(DONE), desk=desk(look, prefetch=("look",))) as home:
        thread = await home.post_message("hello")
        await home.wait_until_settled(thread)
        called = await only(home, thread, ToolCalled)
        assert called.verdict.reason == (
            "look: where: Field required; only tools without required arguments can be prefetched"
        )
        await home.check_replay(thread)


@pytest.mark.parametrize("error", [ValueError(SECRET), ToolError("there is no such tag")])
async def test_edit_whose_preparation_fails_is_refused_in_one_line(database: Database, running_bot, error) -> None:
    calls = iter([None, error])

    def resolved(context: ToolContext, tag: str) -> dict[str, Any]:
        if (trouble := next(calls)) is not None:
            raise trouble
        return {"tag": tag}

    @tool(effect="idempotent", risk="high", ask=ApprovalTerms(roles=("release",)), prepare=resolved)
    def ship(context: ToolContext, tag: str) -> ToolResult:
        """Ship."""
        return ToolResult(summary=tag)

    async with running_bot(database, ScriptedModel({"intent": "ship", "tag": "v1"}), desk=desk(ship)) as home:
        request = await home.wait_for_request(await home.post_message("ship v1"))
        with pytest.raises(InvalidArguments) as refused:
            await home.answer_request(request, "edit", arguments={"tag": "v2"})
        assert SECRET not in str(refused.value)
        assert (await home.bot.approvals.find_request(request.id)).status == "open"


# --- a tool that hangs ---


async def test_call_of_a_tool_that_hangs_is_postponed_and_fails_in_the_end(database: Database, running_bot) -> None:
    @tool(effect="once")
    def pay(context: ToolContext) -> ToolResult:
        """Pay."""
        return ToolResult(summary="paid")

    async with running_bot(database, ScriptedModel({"intent": "pay"}, DONE), desk=desk(pay)) as home:
        home.bot.tool_runner.thread_pool.slots.loads["desk.pay"].hanging = 16
        thread = await home.post_message("pay")
        await through_back_offs(home, thread, MAX_POSTPONEMENTS - 1)
        await home.wait_until_settled(thread)
        failures = [event for event in await home.events(thread) if isinstance(event, ToolFailed)]
        assert [event.stage for event in failures] == ["postponed"] * MAX_POSTPONEMENTS
        assert failures[-1].retry_at is None
        assert "ToolStarted" not in await home.event_types(thread)
        await home.check_replay(thread)


def is_full(home: BotHarness) -> bool:
    """Return whether threads that wait for the busy tool hold what others need. A queue has no slots to look at."""
    is_waited_for = home.bot.tool_runner.thread_pool.slots.has_room("desk.count")
    return is_waited_for or (isinstance(home.bot.backend, EmbeddedBackend) and home.worker._slots.locked())


async def test_many_calls_of_a_busy_tool_wait_and_none_is_postponed(database: Database, running_bot) -> None:
    end, number = threading.Event(), 80

    @tool(effect="read")
    def count(context: ToolContext) -> ToolResult:
        """Count."""
        end.wait(PATIENCE)
        return ToolResult(summary="one")

    model = ScriptedModel(*[DONE] * number)
    async with running_bot(database, model, desk=desk(count, prefetch=("count",))) as home:
        try:
            threads = [await home.post_message("count") for _ in range(number)]
            await home.wait_until(threads[-1], lambda state: state.current_call is not None)
            async with asyncio.timeout(PATIENCE):
                while is_full(home):  # noqa: ASYNC110 - no bell rings for it
                    await asyncio.sleep(0)
        finally:
            end.set()
        for thread in threads:
            while (await home.bot.engine.load(thread)).lifecycle != "done":
                home.clock.advance(seconds=1)
            assert "ToolFailed" not in await home.event_types(thread)
