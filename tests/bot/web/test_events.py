import asyncio
import json
from contextlib import aclosing
from typing import Any

import pytest

from agents.addresses import Address
from agents.events import MessageReceived
from bot.web.events import PAGE, stream, wants_stream
from tests.bot.web.sse import Frame, frames_in
from tests.bot.web.surface import PATIENCE, Surface


async def events(surface: Surface, thread_id: str, **query: Any) -> list[dict[str, Any]]:
    told = await surface.client().get(f"/v1/threads/{thread_id}/events", params=query)
    assert told.status_code == 200, told.text
    read: list[dict[str, Any]] = told.json()["events"]
    return read


async def long_thread(surface: Surface, count: int) -> str:
    """A paused thread with so many messages behind its first events."""
    thread_id = await surface.opened("nap")
    await surface.client().post(f"/v1/threads/{thread_id}/pause")
    said = MessageReceived(at=surface.bot.chance.now(), actor=Address("web:ci"), text="x", source=Address("web:ci"))
    await surface.bot.engine.record(thread_id, lambda _: [said] * count)
    return thread_id


async def test_a_log_is_read_with_all_that_the_contract_promises(surface: Surface) -> None:
    read = await events(surface, await surface.opened("look"))
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


async def test_a_log_is_read_from_where_it_was_left(surface: Surface) -> None:
    thread_id = await surface.opened("look")
    read = await events(surface, thread_id)
    assert await events(surface, thread_id, after=3) == read[3:]
    assert await events(surface, thread_id, after=2, limit=2) == read[2:4]
    assert await events(surface, thread_id, after=10_000) == []


async def test_a_log_longer_than_a_page_is_read_whole(surface: Surface) -> None:
    thread_id = await long_thread(surface, 2 * PAGE + 10)
    version = (await surface.bot.engine.load(thread_id)).version
    assert [event["seq"] for event in await events(surface, thread_id)] == list(range(1, version + 1))
    assert len(await events(surface, thread_id, limit=PAGE + 1)) == PAGE + 1


@pytest.mark.parametrize("query", ["after=-1", "after=x", "after=99999999999999999999", "limit=0"])
async def test_a_place_that_makes_no_sense_is_refused(surface: Surface, query: str) -> None:
    thread_id = await surface.opened("look")
    assert (await surface.client().get(f"/v1/threads/{thread_id}/events?{query}")).status_code == 422


@pytest.mark.parametrize("last", ["x", "-1", "1.5"])
async def test_a_last_event_that_makes_no_sense_is_refused(surface: Surface, last: str) -> None:
    thread_id = await surface.opened("look")
    told = await surface.client().get(f"/v1/threads/{thread_id}/events", headers={"Last-Event-ID": last})
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
    assert wants_stream(accept) is wanted


async def some_frames(surface: Surface, thread_id: str, count: int, after: int = 0) -> list[Frame]:
    got: list[Frame] = []
    async with (
        asyncio.timeout(PATIENCE),
        aclosing(stream(surface.bot.engine, surface.streams, thread_id, after)) as chunks,
    ):
        async for chunk in chunks:
            got += frames_in(chunk)
            if len(got) >= count:
                break
    return got


async def test_a_stream_tells_the_log_as_it_is_read(surface: Surface) -> None:
    thread_id = await surface.opened("look")
    read = await events(surface, thread_id)
    frames = await some_frames(surface, thread_id, len(read))
    assert [json.loads(frame["data"]) for frame in frames] == read
    assert [frame["event"] for frame in frames] == [event["type"] for event in read]
    assert [frame["id"] for frame in frames] == [str(event["seq"]) for event in read]


async def test_a_stream_of_a_long_log_misses_nothing(surface: Surface) -> None:
    thread_id = await long_thread(surface, 3 * PAGE)
    version = (await surface.bot.engine.load(thread_id)).version
    frames = await some_frames(surface, thread_id, version)
    assert [int(frame["id"]) for frame in frames] == list(range(1, version + 1))


async def test_whoever_stops_listening_is_forgotten(surface: Surface) -> None:
    thread_id = await surface.opened("look")
    await some_frames(surface, thread_id, 2)
    assert not surface.bot.engine._bells
    assert not surface.streams._bells


async def test_a_stream_ends_when_the_database_goes(surface: Surface) -> None:
    thread_id = await surface.opened("look")
    await surface.bot.engine.database.close()
    assert [chunk async for chunk in stream(surface.bot.engine, surface.streams, thread_id, 0)] == []


async def test_silence_is_filled_so_that_nobody_gives_up(surface: Surface) -> None:
    surface.streams.keep_alive = 0.01
    thread_id = await surface.opened("look")
    version = (await surface.bot.engine.load(thread_id)).version
    frames = await some_frames(surface, thread_id, 3, after=version)
    assert frames == [{"": "ping"}] * 3
