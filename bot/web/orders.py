"""Orders to a thread: pause, resume, cancel, fork (factor 6)."""

from fastapi import APIRouter, Response

from bot.web.bodies import ForkPoint
from bot.web.documented import WITH_BODY, failures
from bot.web.idempotency import OnlyOnce
from bot.web.json_body import JsonRoute
from bot.web.parts import Here
from bot.web.principal import Caller
from bot.web.rights import VISIBLE_THREAD, needs
from bot.web.shapes import ThreadView
from bot.web.threads import tell_thread

router = APIRouter(
    prefix="/threads/{thread_id}",
    tags=["threads"],
    route_class=JsonRoute,
    dependencies=[needs("start"), VISIBLE_THREAD],
)

_REFUSED = failures(403, 404, 409)


@router.post("/pause", response_model=ThreadView, responses=_REFUSED)
async def pause_thread(thread_id: str, here: Here, caller: Caller, once: OnlyOnce) -> Response:
    """Start nothing new in the thread until it is resumed."""
    steering, by = here.bot.steering, caller.address
    return await once.answer(lambda claim, reply: steering.pause(thread_id, by, claim, reply), tell_thread(200, here))


@router.post("/resume", response_model=ThreadView, responses=_REFUSED)
async def resume_thread(thread_id: str, here: Here, caller: Caller, once: OnlyOnce) -> Response:
    """Let a paused thread go back to what it waited for."""
    steering, by = here.bot.steering, caller.address
    return await once.answer(lambda claim, reply: steering.resume(thread_id, by, claim, reply), tell_thread(200, here))


@router.post("/cancel", response_model=ThreadView, responses=_REFUSED)
async def cancel_thread(thread_id: str, here: Here, caller: Caller, once: OnlyOnce) -> Response:
    """End the thread for good, and its open request with it."""
    steering, by = here.bot.steering, caller.address
    return await once.answer(lambda claim, reply: steering.cancel(thread_id, by, claim, reply), tell_thread(200, here))


@router.post("/fork", status_code=201, response_model=ThreadView, responses=failures(403, 404, *WITH_BODY))
async def fork_thread(thread_id: str, body: ForkPoint, here: Here, caller: Caller, once: OnlyOnce) -> Response:
    """Copy the log up to an event into a new thread, which is at rest until somebody writes to it."""
    steering, by = here.bot.steering, caller.address
    return await once.answer(
        lambda claim, reply: steering.fork(thread_id, body.at, by, claim, reply), tell_thread(201, here)
    )
