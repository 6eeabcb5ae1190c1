"""Routes for requests to people: list, show and answer them."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from agents.errors import Forbidden
from agents.events import RequestAnswered
from agents.messages import Assurance
from agents.requests import Answer, Request
from bot.answer_notices import describe_recorded_answer
from bot.engine import CommitResult
from bot.web.actor import ActingAs, Actor
from bot.web.context import Context
from bot.web.cursor import format_cursor
from bot.web.error_responses import BODY_ERROR_STATUSES, error_responses
from bot.web.errors import body_for_error, status_for_error
from bot.web.idempotency import Idempotency, ResponseBuilder, StoredResponse
from bot.web.json_body import JsonRoute
from bot.web.query_params import RequestListParams
from bot.web.request_models import AnswerCreate
from bot.web.request_search import find_requests
from bot.web.response_models import RequestPage, RequestView, request_view
from bot.web.rights import VISIBLE_REQUEST, require_scope

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
    approvals = context.bot.approvals
    answer = _build_answer(body, acting_as.resolve_actor(body.actor))
    request = await approvals.find_request(id_or_code)
    return await idempotency.run(
        lambda claim, render: approvals.answer(
            request.id, answer, shown_digest=body.digest, claim=claim, render_response=render
        ),
        _response_builder(request),
    )


def _build_answer(body: AnswerCreate, actor: Actor) -> Answer:
    if actor.address.scheme != "person":
        raise Forbidden(f"{actor.address} is not a person; use the token of a person to answer requests")
    return Answer(
        by=actor.address,
        entered_by=actor.entered_by,
        channel=actor.source,
        assurance=Assurance.MEDIUM,
        decision=body.decision,
        comment=body.comment,
        text=body.text,
        arguments=body.arguments,
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
