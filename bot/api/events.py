"""Event log of a thread: read it at once or follow it live with server-sent events."""

from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import StreamingResponse
from fastapi.sse import KEEPALIVE_COMMENT, EventSourceResponse, format_sse_event

from agents.core.errors import StoreUnavailable
from bot.api.auth import VISIBLE_THREAD, require_scope
from bot.api.context import Context, StreamRegistry
from bot.api.errors import error_responses
from bot.api.request_models import MAX_SAFE_INTEGER
from bot.api.response_models import EventPage, EventView, event_view
from bot.services.engine import Engine
from storage.event_store import events_after

PAGE_SIZE = 200
"""Events read in one transaction. Small pages bound memory and keep readers from blocking writers."""

router = APIRouter(
    prefix="/threads/{thread_id}/events", tags=["threads"], dependencies=[require_scope("read"), VISIBLE_THREAD]
)

AfterSeq = Annotated[int, Query(ge=0, le=MAX_SAFE_INTEGER, description="Return only events after this `seq`.")]
_RESPONSES: dict[int | str, dict[str, Any]] = {
    **error_responses(403, 404),
    200: {
        "description": "The events; with `Accept: text/event-stream` a stream of events as they happen.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    },
}


@router.get("", response_model=EventPage, responses=_RESPONSES)
async def read_events(
    thread_id: str,
    context: Context,
    after: AfterSeq = 0,
    limit: Annotated[int | None, Query(ge=1, description="Maximum number of events; all when omitted.")] = None,
    accept: Annotated[str, Header(include_in_schema=False)] = "",
    last_event_id: Annotated[
        int, Header(ge=0, le=MAX_SAFE_INTEGER, description="`seq` of the last event you received.")
    ] = 0,
) -> Response:
    """Read the event log of a thread, or follow it as a stream.

    A stream starts after `after` or `Last-Event-ID`, and stays open while the thread waits.
    """
    engine = context.bot.engine
    if accepts_event_stream(accept):
        frames = stream_events(engine, context.streams, thread_id, max(after, last_event_id))
        return EventSourceResponse(frames, headers={"X-Accel-Buffering": "no"})
    first = await _read_page(engine, thread_id, after, min(PAGE_SIZE, limit or PAGE_SIZE))
    return StreamingResponse(_stream_json(engine, thread_id, first, limit), media_type="application/json")


def accepts_event_stream(accept: str) -> bool:
    """Return whether the media types that a client accepts include event streams."""
    return any(item.partition(";")[0].strip().lower() == "text/event-stream" for item in accept.split(","))


async def stream_events(engine: Engine, streams: StreamRegistry, thread_id: str, after: int) -> AsyncGenerator[bytes]:
    """Yield frames of server-sent events (WHATWG HTML §9.2) until the server stops or the client disconnects.

    The stream ends when the database is unavailable. Clients reconnect with the last id, as the format demands.
    """
    with engine.subscribe(thread_id) as wake_event, streams.register(wake_event), suppress(StoreUnavailable):
        while True:
            wake_event.clear()
            page = await _read_page(engine, thread_id, after, PAGE_SIZE)
            for event in page:
                yield format_sse_frame(event)
                after = event.seq
            if streams.has_ended:
                return
            if len(page) < PAGE_SIZE and not await streams.wait(wake_event):
                yield KEEPALIVE_COMMENT


def format_sse_frame(event: EventView) -> bytes:
    """Return one event as a server-sent event."""
    return format_sse_event(data_str=event.model_dump_json(), event=event.type, id=str(event.seq))


async def _stream_json(
    engine: Engine, thread_id: str, page: list[EventView], limit: int | None
) -> AsyncGenerator[bytes]:
    """Yield an EventPage as JSON, page by page, so that a whole log is never in memory."""
    yield b'{"events":['
    remaining, separator = limit, ""
    while page:
        yield (separator + ",".join(event.model_dump_json() for event in page)).encode()
        remaining, separator = None if remaining is None else remaining - len(page), ","
        size = PAGE_SIZE if remaining is None else min(PAGE_SIZE, remaining)
        has_more = len(page) == PAGE_SIZE and size > 0
        page = await _read_page(engine, thread_id, page[-1].seq, size) if has_more else []
    yield b"]}"


async def _read_page(engine: Engine, thread_id: str, after: int, size: int) -> list[EventView]:
    rows = await engine.database.read(lambda connection: events_after(connection, thread_id, after, size))
    return [event_view(seq, event, engine.people) for seq, event in rows]
