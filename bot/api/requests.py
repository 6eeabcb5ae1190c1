"""Routes for requests to people: list, search, show and answer them."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Response

from agents.core.errors import Forbidden
from agents.core.events import RequestAnswered
from agents.core.messages import Assurance
from agents.core.people import Person
from agents.core.requests import Request
from agents.core.rights import Viewer
from bot.api.actor import ActingAs, Actor
from bot.api.auth import VISIBLE_REQUEST, require_scope
from bot.api.context import Context
from bot.api.errors import BODY_ERROR_STATUSES, body_for_error, error_responses, status_for_error
from bot.api.idempotency import Idempotency, ResponseBuilder, StoredResponse
from bot.api.request_models import AnswerCreate, JsonRoute, RequestListParams, format_cursor, parse_cursor
from bot.api.response_models import RequestPage, RequestView, request_view
from bot.services.approvals import describe_recorded_answer
from bot.services.engine import CommitResult
from bot.services.request_query import PAGE_SIZE, RequestQuery, decidable_by
from channels.inbound import InboundAnswer
from storage.database.database import Database

router = APIRouter(prefix="/requests", tags=["requests"], route_class=JsonRoute)


@router.get("", responses=error_responses(403), dependencies=[require_scope("read")])
async def list_requests(
    context: Context, acting_as: ActingAs, query: Annotated[RequestListParams, Query()]
) -> RequestPage:
    """List requests of the threads you may see, newest first. A thread has at most one open request."""
    decider, viewer = acting_as.resolve_actor(query.as_).person, acting_as.principal.viewer
    requests = await find_requests(context.bot.engine.database, query, decider, query.limit + 1, viewer)
    page = tuple(request_view(request) for request in requests[: query.limit])
    has_more = len(requests) > query.limit
    return RequestPage(requests=page, next_cursor=format_cursor(page[-1].opened_at, page[-1].id) if has_more else None)


@router.get("/{id_or_code}", responses=error_responses(403, 404), dependencies=[require_scope("read"), VISIBLE_REQUEST])
async def show_request(id_or_code: str, context: Context) -> RequestView:
    """Show a request by its id or code."""
    return request_view(await context.bot.approvals.find_request(id_or_code))


@router.post(
    "/{id_or_code}/answer",
    response_model=RequestView,
    responses=error_responses(403, 404, 409, *BODY_ERROR_STATUSES),
    dependencies=[require_scope("answer"), VISIBLE_REQUEST],
)
async def answer_request(
    id_or_code: str, body: AnswerCreate, context: Context, acting_as: ActingAs, idempotency: Idempotency
) -> Response:
    """Answer a request by its id or code. An answer that does not count is recorded on the request all the same.

    With the admin scope, `actor` answers for another person.
    """
    bot = context.bot
    request = await bot.approvals.find_request(id_or_code)
    answer = _to_inbound_answer(body, request, acting_as.resolve_actor(body.actor), bot.clock.now())
    return await idempotency.run(
        lambda claim, render: bot.receiver.record_answer(request, answer, claim=claim, render_response=render),
        _response_builder(request),
    )


def _to_inbound_answer(body: AnswerCreate, request: Request, actor: Actor, at: datetime) -> InboundAnswer:
    if actor.address.scheme != "person":
        raise Forbidden(f"{actor.address} is not a person; use the token of a person to answer requests")
    return InboundAnswer(
        actor.to_arrival(at),
        request.id,
        body.decision,
        Assurance.MEDIUM,
        comment=body.comment,
        text=body.text,
        arguments=body.arguments,
        shown_digest=body.digest,
    )


def _response_builder(original: Request) -> ResponseBuilder:
    """Return a builder that responds with the request after the answer, or with 403 when the answer did not count."""

    def build_response(result: CommitResult) -> StoredResponse:
        for event in result.events:
            if isinstance(event, RequestAnswered) and not event.answer.counted:
                refusal = Forbidden(event.answer.reason)
                return StoredResponse(status=status_for_error(refusal), body=body_for_error(refusal))
        request = result.requests.get(original.id) or result.after.get_request(original.id) or original
        view = request_view(request, note=describe_recorded_answer(result, original.id))
        return StoredResponse(status=200, body=view.model_dump(mode="json"))

    return build_response


async def find_requests(
    database: Database, query: RequestListParams, decider: Person | None, limit: int, viewer: Viewer
) -> list[Request]:
    """Return at most `limit` requests the viewer may see, newest first; with `mine`, those `decider` can decide now."""
    matches = decidable_by(decider) if query.mine else (lambda _: True)
    search = RequestQuery(matches, query.status_filter, query.thread_id, parse_cursor(query.cursor), viewer)
    return await search.fetch(database, limit, page_size=PAGE_SIZE if query.mine else limit)
