import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from tests.bot.web.api_harness import WAIT_TIMEOUT_SECONDS
from tests.bot.web.served_api import ServedApi
from tests.bot.web.sse import Frame, read_frames


async def until(frames: AsyncIterator[Frame], kind: str) -> list[Frame]:
    """The frames up to the first of a kind."""
    got = []
    async for frame in frames:
        got.append(frame)
        if frame.get("event") == kind:
            return got
    raise AssertionError(f"the stream ended before {kind}: {got}")


async def test_a_thread_is_followed_live(served_api: ServedApi) -> None:
    thread_id = await served_api.api.start_thread("look")
    async with served_api.follow_events(thread_id) as told:
        assert told.status_code == 200
        assert told.headers["Content-Type"].startswith("text/event-stream")
        assert told.headers["Cache-Control"] == "no-store"
        frames = read_frames(told)
        before = await until(frames, "ThreadFinished")
        await served_api.api.client().post(f"/v1/threads/{thread_id}/messages", json={"text": "push v1"})
        after = await until(frames, "RequestShown")
    got = [int(frame["id"]) for frame in before + after]
    assert got == list(range(1, len(got) + 1))
    assert "RequestOpened" in {frame["event"] for frame in after}
    read = (await served_api.api.client().get(f"/v1/threads/{thread_id}/events")).json()["events"]
    assert [json.loads(frame["data"]) for frame in before + after] == read[: len(got)]


@pytest.mark.parametrize(
    ("after", "last", "begins"), [(2, None, 3), (0, "2", 3), (1, "3", 4), (3, "1", 4), (0, None, 1)]
)
async def test_a_stream_goes_on_where_it_was_left(
    served_api: ServedApi, after: int, last: str | None, begins: int
) -> None:
    thread_id = await served_api.api.start_thread("look")
    async with served_api.follow_events(thread_id, after, last) as told:
        assert int((await anext(read_frames(told)))["id"]) == begins


async def test_a_stream_of_no_thread_is_refused_before_it_begins(served_api: ServedApi) -> None:
    async with served_api.follow_events("thr_none") as told:
        assert told.status_code == 404
        assert json.loads(await told.aread())["error"]["code"] == "thread_not_found"


async def test_a_client_that_goes_is_forgotten(served_api: ServedApi) -> None:
    thread_id = await served_api.api.start_thread("look")
    async with served_api.follow_events(thread_id) as told:
        await anext(read_frames(told))
    async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
        await served_api.streams.client_left.wait()
    assert not served_api.api.bot.engine._subscribers


async def test_a_server_that_stops_ends_its_streams_with_a_whole_answer(served_api: ServedApi) -> None:
    thread_id = await served_api.api.start_thread("look")
    async with served_api.follow_events(thread_id) as told:
        frames = read_frames(told)
        await until(frames, "MessageSent")
        await served_api.stop()
        assert [frame async for frame in frames if "event" in frame] == []


async def test_many_streams_end_together(served_api: ServedApi) -> None:
    thread_id = await served_api.api.start_thread("look")
    async with AsyncExitStack() as stack:
        answers = [await stack.enter_async_context(served_api.follow_events(thread_id)) for _ in range(10)]
        streams = [read_frames(told) for told in answers]
        for frames in streams:
            await anext(frames)
        await served_api.stop()
        for frames in streams:
            assert all("id" in frame for frame in [frame async for frame in frames])


async def test_a_stream_that_begins_after_the_end_tells_the_log_and_ends(served_api: ServedApi) -> None:
    thread_id = await served_api.api.start_thread("look")
    served_api.streams.end()
    async with served_api.follow_events(thread_id) as told:
        assert [frame["event"] async for frame in read_frames(told)][-1] == "MessageSent"
