"""Routes that control a thread: pause, resume, cancel, fork."""

from fastapi import APIRouter, Response

from bot.api.auth import VISIBLE_THREAD, Caller, require_scope
from bot.api.context import Context
from bot.api.errors import BODY_ERROR_STATUSES, error_responses
from bot.api.idempotency import Idempotency
from bot.api.json_body import JsonRoute
from bot.api.request_models import ForkCreate
from bot.api.response_models import ThreadView
from bot.api.threads import thread_response

router = APIRouter(
    prefix="/threads/{thread_id}",
    tags=["threads"],
    route_class=JsonRoute,
    dependencies=[require_scope("start"), VISIBLE_THREAD],
)

_ERROR_RESPONSES = error_responses(403, 404, 409)


@router.post("/pause", response_model=ThreadView, responses=_ERROR_RESPONSES)
async def pause_thread(thread_id: str, context: Context, caller: Caller, idempotency: Idempotency) -> Response:
    """Pause a thread: start nothing new until it is resumed."""
    control, by = context.bot.thread_control, caller.address
    return await idempotency.run(
        lambda claim, render: control.pause(thread_id, by, claim, render), thread_response(200, context)
    )


@router.post("/resume", response_model=ThreadView, responses=_ERROR_RESPONSES)
async def resume_thread(thread_id: str, context: Context, caller: Caller, idempotency: Idempotency) -> Response:
    """Resume a paused thread."""
    control, by = context.bot.thread_control, caller.address
    return await idempotency.run(
        lambda claim, render: control.resume(thread_id, by, claim, render), thread_response(200, context)
    )


@router.post("/cancel", response_model=ThreadView, responses=_ERROR_RESPONSES)
async def cancel_thread(thread_id: str, context: Context, caller: Caller, idempotency: Idempotency) -> Response:
    """Cancel a thread for good and close its open request."""
    control, by = context.bot.thread_control, caller.address
    return await idempotency.run(
        lambda claim, render: control.cancel(thread_id, by, claim, render), thread_response(200, context)
    )


@router.post(
    "/fork", status_code=201, response_model=ThreadView, responses=error_responses(403, 404, *BODY_ERROR_STATUSES)
)
async def fork_thread(
    thread_id: str, body: ForkCreate, context: Context, caller: Caller, idempotency: Idempotency
) -> Response:
    """Fork a thread: copy its log up to an event into a new thread, which waits for a message."""
    control, by = context.bot.thread_control, caller.address
    return await idempotency.run(
        lambda claim, render: control.fork(thread_id, body.at, by, claim, render), thread_response(201, context)
    )
