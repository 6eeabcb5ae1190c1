"""Whether the process lives, and whether it can work."""

import asyncio
from collections.abc import Mapping

from fastapi import APIRouter, Request, Response

from agents.errors import HandrailError
from agents.frozen import Frozen
from bot.web.parts import Here
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


class Ready(Frozen):
    """Whether everything that is needed works."""

    ready: bool
    checks: Mapping[str, Check]


@router.get("/healthz")
async def live() -> Live:
    """Whether the process lives."""
    return Live()


@router.get("/readyz", responses={503: {"model": Ready, "description": "Something that is needed does not work."}})
async def ready(here: Here, request: Request, response: Response) -> Ready:
    """Whether the database can be written, the engine runs, and each channel is there.

    Only for a caller with a token something is committed; for all others the database is read.
    """
    checks = {
        "database": await _database(here.bot, is_trusted=hasattr(request.state, "principal")),
        "engine": _engine(here.bot),
        **{f"channel:{scheme}": Check(ok=True) for scheme in here.schemes},
        **{name: Check(ok=False, problem=problem) for name, problem in here.bot.troubles.items()},
    }
    told = Ready(ready=all(check.ok for check in checks.values()), checks=checks)
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
