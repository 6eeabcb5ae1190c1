"""Health checks: whether the process is alive, and whether it is ready to work."""

import asyncio
from collections.abc import Mapping

from fastapi import APIRouter, Response
from pydantic import Field

from agents.core.errors import HandrailError
from agents.core.values import FrozenModel
from bot.api.auth import OptionalCaller, Principal
from bot.api.context import Context
from bot.bootstrap import Bot
from bot.execution.tools.limits import ToolLoad
from bot.execution.tools.runner import ToolRunner
from storage.database.database import check_accepts_writes, check_disk_space
from storage.database.schema import check_writable

DATABASE_TIMEOUT_SECONDS = 3.0
"""Maximum time for the check of the database. A slower database counts as unavailable."""

router = APIRouter(tags=["health"])


class Liveness(FrozenModel):
    """The process is alive."""

    status: str = "ok"


class HealthCheck(FrozenModel):
    """Result of one check. `problem` is empty when it passed."""

    ok: bool
    problem: str = ""


class ToolUsage(FrozenModel):
    """Calls of one tool in this process now, and `exceeded`: calls over their time limit since the start.

    `hanging` calls are over their time limit and have not ended.
    """

    running: int
    waiting: int
    hanging: int
    exceeded: int


class Readiness(FrozenModel):
    """Results of all checks. `degraded` lists tools that cannot run now.

    `tools`, by agent and tool, is included only when you send a token.
    """

    ready: bool
    checks: Mapping[str, HealthCheck]
    degraded: tuple[str, ...] | None = Field(default=None, exclude_if=lambda value: value is None)
    tools: Mapping[str, ToolUsage] | None = Field(default=None, exclude_if=lambda value: value is None)


@router.get("/healthz")
async def get_liveness() -> Liveness:
    """Check that the process is alive."""
    return Liveness()


@router.get("/readyz", responses={503: {"model": Readiness, "description": "At least one check failed."}})
async def get_readiness(context: Context, response: Response, caller: OptionalCaller) -> Readiness:
    """Check that the database accepts writes, the engine runs, tools can run and each channel is connected.

    With a token the check commits a write; without one it only reads the database.
    """
    checks = {
        "database": await _check_database(context.bot, is_trusted=caller is not None),
        "engine": _check_engine(context.bot),
        **_check_tools(context.bot.tool_runner),
        **{f"channel:{scheme}": HealthCheck(ok=True) for scheme in context.schemes},
        **{name: HealthCheck(ok=False, problem=problem) for name, problem in context.bot.channel_errors.items()},
    }
    readiness = Readiness(
        ready=all(check.ok for check in checks.values()),
        checks=checks,
        degraded=_describe_degraded(context.bot.tool_runner, caller),
        tools={name: _tool_usage(load) for name, load in context.bot.tool_runner.tool_loads.items()}
        if caller
        else None,
    )
    response.status_code = 200 if readiness.ready else 503
    return readiness


async def _check_database(bot: Bot, *, is_trusted: bool) -> HealthCheck:
    """Check that the database answers in time and accepts writes; for trusted callers, commit a write."""
    database = bot.engine.database
    try:
        async with asyncio.timeout(DATABASE_TIMEOUT_SECONDS):
            await database.transaction(check_writable) if is_trusted else await database.read(check_accepts_writes)
            check_disk_space(database.url)
    except (HandrailError, TimeoutError) as error:
        return HealthCheck(ok=False, problem=str(error) or f"no answer within {DATABASE_TIMEOUT_SECONDS:.0f} s")
    return HealthCheck(ok=True)


def _check_engine(bot: Bot) -> HealthCheck:
    if bot.backend.is_running:
        return HealthCheck(ok=True)
    return HealthCheck(ok=False, problem="not running")


def _check_tools(runner: ToolRunner) -> Mapping[str, HealthCheck]:
    """Return a failed check when hanging calls occupy every OS thread for tools; otherwise no check."""
    if not runner.is_exhausted:
        return {}
    problem = "hanging tool calls occupy every OS thread for tools; restart this process"
    return {"tools": HealthCheck(ok=False, problem=problem)}


def _describe_degraded(runner: ToolRunner, caller: Principal | None) -> tuple[str, ...] | None:
    """Return the tools that cannot run. Their names are shown only to callers with a token."""
    stuck = runner.stuck_tools
    if caller or not stuck:
        return stuck or None
    return (f"tools that cannot run: {len(stuck)}; send a token to see their names",)


def _tool_usage(load: ToolLoad) -> ToolUsage:
    return ToolUsage(running=load.running, waiting=load.waiting, hanging=load.hanging, exceeded=load.timeout_count)
