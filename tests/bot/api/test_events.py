import asyncio
import json
from contextlib import aclosing
from typing import Any

import pytest

from agents.core.events import MessageReceived
from agents.core.values import Address
from bot.api.events import PAGE_SIZE, accepts_event_stream, stream_events
from tests.bot.api.sse import Frame, parse_frames
from tests.harness.api import ApiHarness
from tests.harness.time_limits import WAIT_TIMEOUT_SECONDS


async def fetch_events(api: ApiHarness, thread_id: str, **query: Any) -> list[dict[str, Any]]:
    response = await api.client().get(f"/v1/threads/{thread_id}/events", params=query)
    assert response.status_code == 200, response.text
    events: list[dict[str, Any]] = response.json()["events"]
    return events


async def start_long_thread(api: ApiHarness, count: int) -> str:
    """Return a paused thread with `count` messages after its first events."""
    thread_id = await api.start_thread("nap")
    await api.client().post(f"/v1/threads/{thread_id}/pause")
    message = MessageReceived(at=api.bot.clock.now(), actor=Address("web:ci"), text="x", source=Address("web:ci"))
    await api.bot.engine.apply(thread_id, lambda _: [message] * count)
    return thread_id


async def test_events_have_all_documented_fields(api: ApiHarness) -> None:
    events = await fetch_events(api, await api.start_thread("look"))
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert {frozenset(event) - {"names"} for event in events} == {frozenset({"seq", "type", "at", "actor", "data"})}
    assert next(event["names"] for event in events if "names" in event) == {"person:alice": "Alice"}
    assert [event["type"] for event in events][:2] == ["ThreadStarted", "MessageReceived"]
    assert events[1]["actor"] == "person:alice"
    assert events[1]["at"].endswith("Z")
    assert events[1]["data"] == {
        "v": 1,
        "provenance": "verified person",
        "text": "look",
        "source": "web:alice-cli",
    }


async def test_events_are_read_after_any_seq(api: ApiHarness) -> None:
    thread_id = await api.start_thread("look")
    events = await fetch_events(api, thread_id)
    assert await fetch_events(api, thread_id, after=3) == events[3:]
    assert await fetch_events(api, thread_id, after=2, limit=2) == events[2:4]
    assert await fetch_events(api, thread_id, after=10_000) == []


async def test_log_longer_than_a_page_is_read_completely(api: ApiHarness) -> None:
    thread_id = await start_long_thread(api, 2 * PAGE_SIZE + 10)
    version = (await api.bot.engine.load(thread_id)).version
    assert [event["seq"] for event in await fetch_events(api, thread_id)] == list(range(1, version + 1))
    assert len(await fetch_events(api, thread_id, limit=PAGE_SIZE + 1)) == PAGE_SIZE + 1


@pytest.mark.parametrize("query", ["after=-1", "after=x", "after=99999999999999999999", "limit=0"])
async def test_invalid_range_is_refused(api: ApiHarness, query: str) -> None:
    thread_id = await api.start_thread("look")
    assert (await api.client().get(f"/v1/threads/{thread_id}/events?{query}")).status_code == 422


@pytest.mark.parametrize("last_event_id", ["x", "-1", "1.5"])
async def test_invalid_last_event_id_is_refused(api: ApiHarness, last_event_id: str) -> None:
    thread_id = await api.start_thread("look")
    response = await api.client().get(f"/v1/threads/{thread_id}/events", headers={"Last-Event-ID": last_event_id})
    assert response.status_code == 422


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("text/event-stream", True),
        ("application/json, text/event-stream;q=0.5", True),
        ("TEXT/EVENT-STREAM; charset=utf-8", True),
        ("application/json", False),
        ("*/*", False),
        ("", False),
    ],
)
def test_stream_depends_on_the_accept_header(accept: str, expected: bool) -> None:
    assert accepts_event_stream(accept) is expected


async def read_some_frames(api: ApiHarness, thread_id: str, count: int, after: int = 0) -> list[Frame]:
    frames: list[Frame] = []
    async with (
        asyncio.timeout(WAIT_TIMEOUT_SECONDS),
        aclosing(stream_events(api.bot.engine, api.streams, thread_id, after)) as chunks,
    ):
        async for chunk in chunks:
            frames += parse_frames(chunk)
            if len(frames) >= count:
                break
    return frames


async def test_stream_has_the_events_of_the_log(api: ApiHarness) -> None:
    thread_id = await api.start_thread("look")
    events = await fetch_events(api, thread_id)
    frames = await read_some_frames(api, thread_id, len(events))
    assert [json.loads(frame["data"]) for frame in frames] == events
    assert [frame["event"] for frame in frames] == [event["type"] for event in events]
    assert [frame["id"] for frame in frames] == [str(event["seq"]) for event in events]


async def test_stream_of_a_long_log_has_every_event(api: ApiHarness) -> None:
    thread_id = await start_long_thread(api, 3 * PAGE_SIZE)
    version = (await api.bot.engine.load(thread_id)).version
    frames = await read_some_frames(api, thread_id, version)
    assert [int(frame["id"]) for frame in frames] == list(range(1, version + 1))


async def test_closed_stream_is_unregistered(api: ApiHarness) -> None:
    thread_id = await api.start_thread("look")
    await read_some_frames(api, thread_id, 2)
    assert not api.bot.engine._subscribers
    assert not api.streams._wake_events


async def test_stream_ends_when_the_database_is_unavailable(api: ApiHarness) -> None:
    thread_id = await api.start_thread("look")
    await api.bot.engine.database.close()
    assert [chunk async for chunk in stream_events(api.bot.engine, api.streams, thread_id, 0)] == []


async def test_silent_stream_sends_keep_alive_comments(api: ApiHarness) -> None:
    api.streams.keep_alive_seconds = 0.01
    thread_id = await api.start_thread("look")
    version = (await api.bot.engine.load(thread_id)).version
    frames = await read_some_frames(api, thread_id, 3, after=version)
    assert frames == [{"": "ping"}] * 3
