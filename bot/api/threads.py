"""Routes for threads: open, list, show and control them (pause, resume, cancel, fork), and post messages."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Response

from bot.api.actor import ActingAs
from bot.api.auth import VISIBLE_THREAD, Caller, require_scope
from bot.api.context import AppContext, Context
from bot.api.errors import BODY_ERROR_STATUSES, error_responses
from bot.api.idempotency import Idempotency, ResponseBuilder, StoredResponse
from bot.api.request_models import (
    ForkCreate,
    JsonRoute,
    MessageCreate,
    ThreadCreate,
    ThreadListParams,
    format_cursor,
    parse_cursor,
    resolve_reply_address,
)
from bot.api.response_models import ReplayView, ThreadPage, ThreadView, thread_view
from bot.services.engine import CommitResult
from channels.inbound import InboundMessage
from storage.event_store import list_thread_states
from storage.replay import replay

router = APIRouter(prefix="/threads", tags=["threads"], route_class=JsonRoute)


@router.post(
    "",
    status_code=201,
    response_model=ThreadView,
    responses=error_responses(403, *BODY_ERROR_STATUSES),
    dependencies=[require_scope("start")],
)
async def open_thread(body: ThreadCreate, context: Context, acting_as: ActingAs, idempotency: Idempotency) -> Response:
    """Open a thread with a message. Replies are sent to `reply_to` and are in the thread's log in any case."""
    bot, actor = context.bot, acting_as.resolve_actor(body.requester)
    origin = acting_as.principal.source
    if body.reply_to is not None:
        origin = resolve_reply_address(body.reply_to, bot.roster.people, context.schemes)
    message = InboundMessage(
        actor.to_arrival(bot.clock.now()),
        body.message,
        agent=body.agent,
        reply_to=origin,
        labels=body.labels or {},
    )
    return await idempotency.run(
        lambda claim, render: bot.receiver.record_message(message, claim=claim, render_response=render),
        thread_response(201, context),
    )


@router.get("", responses=error_responses(403), dependencies=[require_scope("read")])
async def list_threads(context: Context, caller: Caller, query: Annotated[ThreadListParams, Query()]) -> ThreadPage:
    """List the threads you may see, newest first."""
    before, limit, people = parse_cursor(query.cursor), query.limit, context.bot.roster.people
    query_threads = partial(list_thread_states, status=query.status, agent=query.agent, viewer=caller.viewer)
    found = await context.bot.engine.database.read(partial(query_threads, before=before, limit=limit + 1))
    page = tuple(thread_view(state, people) for state in found[:limit])
    has_more = len(found) > limit
    return ThreadPage(threads=page, next_cursor=format_cursor(page[-1].created_at, page[-1].id) if has_more else None)


@router.get("/{thread_id}", responses=error_responses(403, 404), dependencies=[require_scope("read"), VISIBLE_THREAD])
async def show_thread(thread_id: str, context: Context) -> ThreadView:
    """Show a thread as of the last commit."""
    return thread_view(await context.bot.engine.load(thread_id), context.bot.roster.people)


@router.get(
    "/{thread_id}/replay", responses=error_responses(403, 404), dependencies=[require_scope("read"), VISIBLE_THREAD]
)
async def replay_thread(thread_id: str, context: Context) -> ReplayView:
    """Rebuild the state of a thread from its whole log and compare it with the stored state."""
    found = await replay(context.bot.engine.database, thread_id)
    state = found.state
    return ReplayView(
        id=thread_id,
        version=state.version,
        status=state.status,
        events=state.version,
        matches=found.is_match,
        unreadable=found.unreadable,
    )


@router.post(
    "/{thread_id}/messages",
    status_code=202,
    response_model=ThreadView,
    responses=error_responses(403, 404, 409, *BODY_ERROR_STATUSES),
    dependencies=[require_scope("start"), VISIBLE_THREAD],
)
async def post_message(
    thread_id: str, body: MessageCreate, context: Context, acting_as: ActingAs, idempotency: Idempotency
) -> Response:
    """Post a message to a thread, which continues if it was waiting. A message never approves anything."""
    arrival = acting_as.resolve_actor(body.actor).to_arrival(context.bot.clock.now())
    message = InboundMessage(arrival, body.text, thread_id=thread_id)
    return await idempotency.run(
        lambda claim, render: context.bot.receiver.record_message(message, claim=claim, render_response=render),
        thread_response(202, context),
    )


def thread_response(status: int, context: AppContext) -> ResponseBuilder:
    """Return a builder that responds with the thread as it is after the commit."""

    def build_response(result: CommitResult) -> StoredResponse:
        view = thread_view(result.after, context.bot.roster.people)
        return StoredResponse(status=status, body=view.model_dump(mode="json"))

    return build_response


control_router = APIRouter(
    prefix="/threads/{thread_id}",
    tags=["threads"],
    route_class=JsonRoute,
    dependencies=[require_scope("start"), VISIBLE_THREAD],
)

_ERROR_RESPONSES = error_responses(403, 404, 409)


@control_router.post("/pause", response_model=ThreadView, responses=_ERROR_RESPONSES)
async def pause_thread(thread_id: str, context: Context, caller: Caller, idempotency: Idempotency) -> Response:
    """Pause a thread: start nothing new until it is resumed."""
    control, by = context.bot.thread_control, caller.address
    return await idempotency.run(
        lambda claim, render: control.pause(thread_id, by, claim, render), thread_response(200, context)
    )


@control_router.post("/resume", response_model=ThreadView, responses=_ERROR_RESPONSES)
async def resume_thread(thread_id: str, context: Context, caller: Caller, idempotency: Idempotency) -> Response:
    """Resume a paused thread."""
    control, by = context.bot.thread_control, caller.address
    return await idempotency.run(
        lambda claim, render: control.resume(thread_id, by, claim, render), thread_response(200, context)
    )


@control_router.post("/cancel", response_model=ThreadView, responses=_ERROR_RESPONSES)
async def cancel_thread(thread_id: str, context: Context, caller: Caller, idempotency: Idempotency) -> Response:
    """Cancel a thread for good and close its open request."""
    control, by = context.bot.thread_control, caller.address
    return await idempotency.run(
        lambda claim, render: control.cancel(thread_id, by, claim, render), thread_response(200, context)
    )


@control_router.post(
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
