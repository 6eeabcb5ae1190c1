"""Orders to a thread: pause, resume, cancel, fork (factor 6)."""

from fastapi import APIRouter, Response

from bot.web.context import Context
from bot.web.error_responses import BODY_ERROR_STATUSES, error_responses
from bot.web.idempotency import Idempotency
from bot.web.json_body import JsonRoute
from bot.web.principal import Caller
from bot.web.request_models import ForkCreate
from bot.web.response_models import ThreadView
from bot.web.rights import VISIBLE_THREAD, require_scope
from bot.web.threads import thread_response

router = APIRouter(
    prefix="/threads/{thread_id}",
    tags=["threads"],
    route_class=JsonRoute,
    dependencies=[require_scope("start"), VISIBLE_THREAD],
)

_ERROR_RESPONSES = error_responses(403, 404, 409)


@router.post("/pause", response_model=ThreadView, responses=_ERROR_RESPONSES)
async def pause_thread(thread_id: str, context: Context, caller: Caller, idempotency: Idempotency) -> Response:
    """Start nothing new in the thread until it is resumed."""
    steering, by = context.bot.thread_control, caller.address
    return await idempotency.run(
        lambda claim, reply: steering.pause(thread_id, by, claim, reply), thread_response(200, context)
    )


@router.post("/resume", response_model=ThreadView, responses=_ERROR_RESPONSES)
async def resume_thread(thread_id: str, context: Context, caller: Caller, idempotency: Idempotency) -> Response:
    """Let a paused thread go back to what it waited for."""
    steering, by = context.bot.thread_control, caller.address
    return await idempotency.run(
        lambda claim, reply: steering.resume(thread_id, by, claim, reply), thread_response(200, context)
    )


@router.post("/cancel", response_model=ThreadView, responses=_ERROR_RESPONSES)
async def cancel_thread(thread_id: str, context: Context, caller: Caller, idempotency: Idempotency) -> Response:
    """End the thread for good, and its open request with it."""
    steering, by = context.bot.thread_control, caller.address
    return await idempotency.run(
        lambda claim, reply: steering.cancel(thread_id, by, claim, reply), thread_response(200, context)
    )


@router.post(
    "/fork", status_code=201, response_model=ThreadView, responses=error_responses(403, 404, *BODY_ERROR_STATUSES)
)
async def fork_thread(
    thread_id: str, body: ForkCreate, context: Context, caller: Caller, idempotency: Idempotency
) -> Response:
    """Copy the log up to an event into a new thread, which is at rest until somebody writes to it."""
    steering, by = context.bot.thread_control, caller.address
    return await idempotency.run(
        lambda claim, reply: steering.fork(thread_id, body.at, by, claim, reply), thread_response(201, context)
    )
