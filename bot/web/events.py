"""A thread's log: read in parts, or followed live (server-sent events)."""

from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import StreamingResponse
from fastapi.sse import KEEPALIVE_COMMENT, EventSourceResponse, format_sse_event

from agents.errors import StoreUnavailable
from bot.engine import Engine
from bot.web.bodies import LARGEST_NUMBER
from bot.web.documented import failures
from bot.web.parts import Here
from bot.web.rights import VISIBLE_THREAD, needs
from bot.web.shapes import EventPage, EventView, event_view
from bot.web.streams import Streams
from storage.threads import events_after

PAGE = 200
"""Events read at once: long logs go through memory in parts, and no reader holds up those who write."""

router = APIRouter(prefix="/threads/{thread_id}/events", tags=["threads"], dependencies=[needs("read"), VISIBLE_THREAD])

After = Annotated[int, Query(ge=0, le=LARGEST_NUMBER, description="only events behind this `seq`")]
_ANSWERS: dict[int | str, dict[str, Any]] = {
    **failures(403, 404),
    200: {
        "description": "The events, or with `Accept: text/event-stream` one after another as they happen.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    },
}


@router.get("", response_model=EventPage, responses=_ANSWERS)
async def read_events(
    thread_id: str,
    here: Here,
    after: After = 0,
    limit: Annotated[int | None, Query(ge=1, description="the most to read; all when not given")] = None,
    accept: Annotated[str, Header(include_in_schema=False)] = "",
    last_event_id: Annotated[int, Header(ge=0, le=LARGEST_NUMBER, description="where a stream was left")] = 0,
) -> Response:
    """The thread's log. A stream goes on behind `after` or `Last-Event-ID`, and stays open while a thread rests."""
    engine = here.bot.engine
    if wants_stream(accept):
        frames = stream(engine, here.streams, thread_id, max(after, last_event_id))
        return EventSourceResponse(frames, headers={"X-Accel-Buffering": "no"})
    first = await _page(engine, thread_id, after, min(PAGE, limit or PAGE))
    return StreamingResponse(_document(engine, thread_id, first, limit), media_type="application/json")


def wants_stream(accept: str) -> bool:
    """Whether event streams are among the media types a client takes."""
    return any(kind.partition(";")[0].strip().lower() == "text/event-stream" for kind in accept.split(","))


async def stream(engine: Engine, streams: Streams, thread_id: str, after: int) -> AsyncGenerator[bytes]:
    """Frames of server-sent events (WHATWG HTML §9.2) until the server stops or the client goes.

    A database that fails ends the stream: whoever follows comes back with the last id, by the rules of the format.
    """
    with engine.bell(thread_id) as bell, streams.joined(bell), suppress(StoreUnavailable):
        while True:
            bell.clear()
            page = await _page(engine, thread_id, after, PAGE)
            for event in page:
                yield frame(event)
                after = event.seq
            if streams.ended:
                return
            if len(page) < PAGE and not await streams.heard(bell):
                yield KEEPALIVE_COMMENT


def frame(event: EventView) -> bytes:
    """One event on the wire."""
    return format_sse_event(data_str=event.model_dump_json(), event=event.type, id=str(event.seq))


async def _document(engine: Engine, thread_id: str, page: list[EventView], limit: int | None) -> AsyncGenerator[bytes]:
    """An EventPage as JSON, written while it is read: a whole log is never in memory, and holds nobody up."""
    yield b'{"events":['
    left, separator = limit, ""
    while page:
        yield (separator + ",".join(event.model_dump_json() for event in page)).encode()
        left, separator = None if left is None else left - len(page), ","
        size = PAGE if left is None else min(PAGE, left)
        full = len(page) == PAGE and size > 0
        page = await _page(engine, thread_id, page[-1].seq, size) if full else []
    yield b"]}"


async def _page(engine: Engine, thread_id: str, after: int, size: int) -> list[EventView]:
    rows = await engine.database.read(lambda connection: events_after(connection, thread_id, after, size))
    return [event_view(seq, event, engine.people) for seq, event in rows]
