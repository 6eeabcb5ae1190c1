"""Whether the process lives, and whether it can work."""

import asyncio
from collections.abc import Mapping

from fastapi import APIRouter, Response
from pydantic import Field

from agents.errors import HandrailError
from agents.frozen import FrozenModel
from bot.bootstrap import Bot
from bot.tool_runner import ToolRunner
from bot.tool_slots import ToolLoad
from bot.web.context import Context
from bot.web.principal import OptionalCaller, Principal
from storage.readiness import check_accepts_writes, check_disk_space
from storage.schema import check_writable

DATABASE_TIMEOUT_SECONDS = 3.0
"""Seconds for the database to commit: one that takes longer is of no use to anybody who waits."""

router = APIRouter(tags=["health"])


class Liveness(FrozenModel):
    """The process answers."""

    status: str = "ok"


class HealthCheck(FrozenModel):
    """One thing that is needed; `problem` is empty when it works."""

    ok: bool
    problem: str = ""


class ToolUsage(FrozenModel):
    """What one tool occupies here now, and how many of its calls have exceeded their time since the start.

    Calls that hang are past their time and have not ended.
    """

    running: int
    waiting: int
    hanging: int
    exceeded: int


class Readiness(FrozenModel):
    """Whether everything that is needed works. `degraded` says what works only in part.

    `tools`, by agent and tool, is told to those who send a token.
    """

    ready: bool
    checks: Mapping[str, HealthCheck]
    degraded: tuple[str, ...] | None = Field(default=None, exclude_if=lambda value: value is None)
    tools: Mapping[str, ToolUsage] | None = Field(default=None, exclude_if=lambda value: value is None)


@router.get("/healthz")
async def get_liveness() -> Liveness:
    """Whether the process lives."""
    return Liveness()


@router.get("/readyz", responses={503: {"model": Readiness, "description": "Something that is needed does not work."}})
async def get_readiness(context: Context, response: Response, caller: OptionalCaller) -> Readiness:
    """Whether the database can be written, the engine runs, tools have where to run, and each channel is there.

    Only for a caller with a token something is committed; for all others the database is read.
    """
    checks = {
        "database": await _check_database(context.bot, is_trusted=caller is not None),
        "engine": _check_engine(context.bot),
        **_check_tools(context.bot.tool_runner),
        **{f"channel:{scheme}": HealthCheck(ok=True) for scheme in context.schemes},
        **{name: HealthCheck(ok=False, problem=problem) for name, problem in context.bot.channel_errors.items()},
    }
    told = Readiness(
        ready=all(check.ok for check in checks.values()),
        checks=checks,
        degraded=_describe_degraded(context.bot.tool_runner, caller),
        tools={name: _tool_usage(load) for name, load in context.bot.tool_runner.tool_loads.items()}
        if caller
        else None,
    )
    response.status_code = 200 if told.ready else 503
    return told


async def _check_database(bot: Bot, *, is_trusted: bool) -> HealthCheck:
    """Return whether the database answers in time and takes writes, proven by a commit for trusted callers."""
    database = bot.engine.database
    try:
        async with asyncio.timeout(DATABASE_TIMEOUT_SECONDS):
            await database.transaction(check_writable) if is_trusted else await database.read(check_accepts_writes)
            check_disk_space(database.url)
    except (HandrailError, TimeoutError) as error:
        return HealthCheck(ok=False, problem=str(error) or f"it did not answer within {DATABASE_TIMEOUT_SECONDS:.0f} s")
    return HealthCheck(ok=True)


def _check_engine(bot: Bot) -> HealthCheck:
    if bot.backend.is_running:
        return HealthCheck(ok=True)
    return HealthCheck(ok=False, problem="it is not running")


def _check_tools(runner: ToolRunner) -> Mapping[str, HealthCheck]:
    """A check that is there when no tool can run, because calls past their time occupy everything."""
    if not runner.is_exhausted:
        return {}
    problem = "calls of tools that do not end occupy every thread: restart this process"
    return {"tools": HealthCheck(ok=False, problem=problem)}


def _describe_degraded(runner: ToolRunner, caller: Principal | None) -> tuple[str, ...] | None:
    """The names of agents and tools are for those who send a token."""
    stuck = runner.stuck_tools
    if caller or not stuck:
        return stuck or None
    return (f"tools that cannot run: {len(stuck)}; send a token to see which",)


def _tool_usage(load: ToolLoad) -> ToolUsage:
    return ToolUsage(running=load.running, waiting=load.waiting, hanging=load.hanging, exceeded=load.exceeded)
