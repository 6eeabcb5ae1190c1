"""Whether the process lives, and whether it can work."""

import asyncio
from collections.abc import Mapping

from fastapi import APIRouter, Response
from pydantic import Field

from agents.errors import HandrailError
from agents.frozen import Frozen
from bot.running import Runner
from bot.tool_slots import ToolLoad
from bot.web.parts import Here
from bot.web.principal import PossibleCaller, Principal
from bot.wiring import Bot
from storage.readiness import require_answer, require_room
from storage.schema import prove_writable

PATIENCE = 3.0
"""Seconds for the database to commit: one that takes longer is of no use to anybody who waits."""

router = APIRouter(tags=["health"])


class Live(Frozen):
    """The process answers."""

    status: str = "ok"


class Check(Frozen):
    """One thing that is needed; `problem` is empty when it works."""

    ok: bool
    problem: str = ""


class ToolUse(Frozen):
    """What one tool occupies here now, and how many of its calls have exceeded their time since the start.

    Calls that hang are past their time and have not ended.
    """

    running: int
    waiting: int
    hanging: int
    exceeded: int


class Ready(Frozen):
    """Whether everything that is needed works. `degraded` says what works only in part.

    `tools`, by agent and tool, is told to those who send a token.
    """

    ready: bool
    checks: Mapping[str, Check]
    degraded: tuple[str, ...] | None = Field(default=None, exclude_if=lambda value: value is None)
    tools: Mapping[str, ToolUse] | None = Field(default=None, exclude_if=lambda value: value is None)


@router.get("/healthz")
async def live() -> Live:
    """Whether the process lives."""
    return Live()


@router.get("/readyz", responses={503: {"model": Ready, "description": "Something that is needed does not work."}})
async def ready(here: Here, response: Response, who: PossibleCaller) -> Ready:
    """Whether the database can be written, the engine runs, tools have where to run, and each channel is there.

    Only for a caller with a token something is committed; for all others the database is read.
    """
    checks = {
        "database": await _database(here.bot, is_trusted=who is not None),
        "engine": _engine(here.bot),
        **_tools(here.bot.runner),
        **{f"channel:{scheme}": Check(ok=True) for scheme in here.schemes},
        **{name: Check(ok=False, problem=problem) for name, problem in here.bot.troubles.items()},
    }
    told = Ready(
        ready=all(check.ok for check in checks.values()),
        checks=checks,
        degraded=_degraded(here.bot.runner, who),
        tools={name: _use(load) for name, load in here.bot.runner.loads.items()} if who else None,
    )
    response.status_code = 200 if told.ready else 503
    return told


async def _database(bot: Bot, *, is_trusted: bool) -> Check:
    """Return whether the database answers in time and takes writes, proven by a commit for trusted callers."""
    database = bot.engine.database
    try:
        async with asyncio.timeout(PATIENCE):
            await database.run(prove_writable) if is_trusted else await database.read(require_answer)
            require_room(database.url)
    except (HandrailError, TimeoutError) as error:
        return Check(ok=False, problem=str(error) or f"it did not answer within {PATIENCE:.0f} s")
    return Check(ok=True)


def _engine(bot: Bot) -> Check:
    if bot.wakeups.running:
        return Check(ok=True)
    return Check(ok=False, problem="it is not running")


def _tools(runner: Runner) -> Mapping[str, Check]:
    """A check that is there when no tool can run, because calls past their time occupy everything."""
    if not runner.is_exhausted:
        return {}
    problem = "calls of tools that do not end occupy every thread: restart this process"
    return {"tools": Check(ok=False, problem=problem)}


def _degraded(runner: Runner, who: Principal | None) -> tuple[str, ...] | None:
    """The names of agents and tools are for those who send a token."""
    stuck = runner.stuck
    if who or not stuck:
        return stuck or None
    return (f"tools that cannot run: {len(stuck)}; send a token to see which",)


def _use(load: ToolLoad) -> ToolUse:
    return ToolUse(running=load.running, waiting=load.waiting, hanging=load.hanging, exceeded=load.exceeded)
