import asyncio
import json
from contextlib import aclosing
from typing import Any

import pytest

from agents.addresses import Address
from agents.events import MessageReceived
from bot.web.events import PAGE_SIZE, accepts_event_stream, stream_events
from tests.bot.web.api_harness import WAIT_TIMEOUT_SECONDS, ApiHarness
from tests.bot.web.sse import Frame, parse_frames


async def events(api: ApiHarness, thread_id: str, **query: Any) -> list[dict[str, Any]]:
    told = await api.client().get(f"/v1/threads/{thread_id}/events", params=query)
    assert told.status_code == 200, told.text
    read: list[dict[str, Any]] = told.json()["events"]
    return read


async def long_thread(api: ApiHarness, count: int) -> str:
    """A paused thread with so many messages behind its first events."""
    thread_id = await api.start_thread("nap")
    await api.client().post(f"/v1/threads/{thread_id}/pause")
    said = MessageReceived(at=api.bot.clock.now(), actor=Address("web:ci"), text="x", source=Address("web:ci"))
    await api.bot.engine.apply(thread_id, lambda _: [said] * count)
    return thread_id


async def test_a_log_is_read_with_all_that_the_contract_promises(api: ApiHarness) -> None:
    read = await events(api, await api.start_thread("look"))
    assert [event["seq"] for event in read] == list(range(1, len(read) + 1))
    assert {frozenset(event) - {"names"} for event in read} == {frozenset({"seq", "type", "at", "actor", "data"})}
    assert next(event["names"] for event in read if "names" in event) == {"person:alice": "Alice"}
    assert [event["type"] for event in read][:2] == ["ThreadStarted", "MessageReceived"]
    assert read[1]["actor"] == "person:alice"
    assert read[1]["at"].endswith("Z")
    assert read[1]["data"] == {
        "v": 1,
        "provenance": "verified person",
        "text": "look",
        "source": "web:alice-cli",
    }


async def test_a_log_is_read_from_where_it_was_left(api: ApiHarness) -> None:
    thread_id = await api.start_thread("look")
    read = await events(api, thread_id)
    assert await events(api, thread_id, after=3) == read[3:]
    assert await events(api, thread_id, after=2, limit=2) == read[2:4]
    assert await events(api, thread_id, after=10_000) == []


async def test_a_log_longer_than_a_page_is_read_whole(api: ApiHarness) -> None:
    thread_id = await long_thread(api, 2 * PAGE_SIZE + 10)
    version = (await api.bot.engine.load(thread_id)).version
    assert [event["seq"] for event in await events(api, thread_id)] == list(range(1, version + 1))
    assert len(await events(api, thread_id, limit=PAGE_SIZE + 1)) == PAGE_SIZE + 1


@pytest.mark.parametrize("query", ["after=-1", "after=x", "after=99999999999999999999", "limit=0"])
async def test_a_place_that_makes_no_sense_is_refused(api: ApiHarness, query: str) -> None:
    thread_id = await api.start_thread("look")
    assert (await api.client().get(f"/v1/threads/{thread_id}/events?{query}")).status_code == 422


@pytest.mark.parametrize("last", ["x", "-1", "1.5"])
async def test_a_last_event_that_makes_no_sense_is_refused(api: ApiHarness, last: str) -> None:
    thread_id = await api.start_thread("look")
    told = await api.client().get(f"/v1/threads/{thread_id}/events", headers={"Last-Event-ID": last})
    assert told.status_code == 422


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("text/event-stream", True),
        ("application/json, text/event-stream;q=0.5", True),
        ("TEXT/EVENT-STREAM; charset=utf-8", True),
        ("application/json", False),
        ("*/*", False),
        ("", False),
    ],
)
def test_a_stream_is_for_those_who_ask_for_one(accept: str, wanted: bool) -> None:
    assert accepts_event_stream(accept) is wanted


async def some_frames(api: ApiHarness, thread_id: str, count: int, after: int = 0) -> list[Frame]:
    got: list[Frame] = []
    async with (
        asyncio.timeout(WAIT_TIMEOUT_SECONDS),
        aclosing(stream_events(api.bot.engine, api.streams, thread_id, after)) as chunks,
    ):
        async for chunk in chunks:
            got += parse_frames(chunk)
            if len(got) >= count:
                break
    return got


async def test_a_stream_tells_the_log_as_it_is_read(api: ApiHarness) -> None:
    thread_id = await api.start_thread("look")
    read = await events(api, thread_id)
    frames = await some_frames(api, thread_id, len(read))
    assert [json.loads(frame["data"]) for frame in frames] == read
    assert [frame["event"] for frame in frames] == [event["type"] for event in read]
    assert [frame["id"] for frame in frames] == [str(event["seq"]) for event in read]


async def test_a_stream_of_a_long_log_misses_nothing(api: ApiHarness) -> None:
    thread_id = await long_thread(api, 3 * PAGE_SIZE)
    version = (await api.bot.engine.load(thread_id)).version
    frames = await some_frames(api, thread_id, version)
    assert [int(frame["id"]) for frame in frames] == list(range(1, version + 1))


async def test_whoever_stops_listening_is_forgotten(api: ApiHarness) -> None:
    thread_id = await api.start_thread("look")
    await some_frames(api, thread_id, 2)
    assert not api.bot.engine._subscribers
    assert not api.streams._wake_events


async def test_a_stream_ends_when_the_database_goes(api: ApiHarness) -> None:
    thread_id = await api.start_thread("look")
    await api.bot.engine.database.close()
    assert [chunk async for chunk in stream_events(api.bot.engine, api.streams, thread_id, 0)] == []


async def test_silence_is_filled_so_that_nobody_gives_up(api: ApiHarness) -> None:
    api.streams.keep_alive_seconds = 0.01
    thread_id = await api.start_thread("look")
    version = (await api.bot.engine.load(thread_id)).version
    frames = await some_frames(api, thread_id, 3, after=version)
    assert frames == [{"": "ping"}] * 3
