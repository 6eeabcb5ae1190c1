"""Requests to people: look at them, answer one."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from agents.errors import NotAllowed
from agents.events import RequestAnswered
from agents.messages import Assurance
from agents.requests import Answer, Request
from bot.answer_notes import answer_note
from bot.engine import Recorded
from bot.web.bodies import NewAnswer
from bot.web.cursor import cursor_at
from bot.web.documented import WITH_BODY, failures
from bot.web.idempotency import OnlyOnce, Tell, Told
from bot.web.json_body import JsonRoute
from bot.web.parts import Here
from bot.web.problems import body_of, status_of
from bot.web.queries import RequestQuery
from bot.web.rights import VISIBLE_REQUEST, needs
from bot.web.search import found
from bot.web.shapes import RequestPage, RequestView, request_view
from bot.web.speaker import Speaker, SpokenBy

router = APIRouter(prefix="/requests", tags=["requests"], route_class=JsonRoute)


@router.get("", responses=failures(403), dependencies=[needs("read")])
async def list_requests(here: Here, voice: SpokenBy, query: Annotated[RequestQuery, Query()]) -> RequestPage:
    """Requests of the threads the caller may see, newest first; a thread has at most one that is open."""
    decider, viewer = voice.speaker(query.as_).person, voice.principal.viewer
    requests = await found(here.bot.engine.database, query, decider, query.limit + 1, viewer)
    shown = tuple(request_view(request) for request in requests[: query.limit])
    more = len(requests) > query.limit
    return RequestPage(requests=shown, next_cursor=cursor_at(shown[-1].opened_at, shown[-1].id) if more else None)


@router.get("/{named}", responses=failures(403, 404), dependencies=[needs("read"), VISIBLE_REQUEST])
async def show_request(named: str, here: Here) -> RequestView:
    """One request, by its id or its code."""
    return request_view(await here.bot.deciding.find(named))


@router.post(
    "/{named}/answer",
    response_model=RequestView,
    responses=failures(403, 404, 409, *WITH_BODY),
    dependencies=[needs("answer"), VISIBLE_REQUEST],
)
async def answer_request(named: str, body: NewAnswer, here: Here, voice: SpokenBy, once: OnlyOnce) -> Response:
    """Answer a request, by its id or its code. An answer that may not count is kept on the request all the same.

    `actor`, which says who answers, is growth of CONTRACT §4: it is what its admin scope is for.
    """
    deciding = here.bot.deciding
    answer = _answer(body, voice.speaker(body.actor))
    request = await deciding.find(named)
    return await once.answer(
        lambda claim, reply: deciding.answer(request.id, answer, seen=body.digest, claim=claim, reply=reply),
        _tell(request),
    )


def _answer(body: NewAnswer, speaker: Speaker) -> Answer:
    if speaker.by.scheme != "person":
        raise NotAllowed(f"{speaker.by} is nobody in particular; only the token of a person may answer requests")
    return Answer(
        by=speaker.by,
        entered_by=speaker.entered_by,
        channel=speaker.source,
        assurance=Assurance.MEDIUM,
        decision=body.decision,
        comment=body.comment,
        text=body.text,
        arguments=body.arguments,
    )


def _tell(known: Request) -> Tell:
    """Answers with the request as it is afterwards; a refusal is told as one whenever it is told."""

    def told(recorded: Recorded) -> Told:
        for event in recorded.events:
            if isinstance(event, RequestAnswered) and not event.answer.counted:
                refusal = NotAllowed(event.answer.reason)
                return Told(status=status_of(refusal), body=body_of(refusal))
        request = recorded.requests.get(known.id) or recorded.after.request_named(known.id) or known
        view = request_view(request, note=answer_note(recorded, known.id))
        return Told(status=200, body=view.model_dump(mode="json"))

    return told
