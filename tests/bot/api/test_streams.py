import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from tests.bot.api.served_api import ServedApi
from tests.bot.api.sse import Frame, read_frames
from tests.harness.time_limits import WAIT_TIMEOUT_SECONDS


async def read_until(frames: AsyncIterator[Frame], event_type: str) -> list[Frame]:
    """Read frames until the first event of a type, and return them."""
    frames_read = []
    async for frame in frames:
        frames_read.append(frame)
        if frame.get("event") == event_type:
            return frames_read
    raise AssertionError(f"the stream ended before {event_type}: {frames_read}")


async def test_thread_is_followed_live(served_api: ServedApi) -> None:
    thread_id = await served_api.api.start_thread("look")
    async with served_api.follow_events(thread_id) as response:
        assert response.status_code == 200
        assert response.headers["Content-Type"].startswith("text/event-stream")
        assert response.headers["Cache-Control"] == "no-store"
        frames = read_frames(response)
        before = await read_until(frames, "ThreadFinished")
        await served_api.api.client().post(f"/v1/threads/{thread_id}/messages", json={"text": "push v1"})
        after = await read_until(frames, "RequestShown")
    seqs = [int(frame["id"]) for frame in before + after]
    assert seqs == list(range(1, len(seqs) + 1))
    assert "RequestOpened" in {frame["event"] for frame in after}
    events = (await served_api.api.client().get(f"/v1/threads/{thread_id}/events")).json()["events"]
    assert [json.loads(frame["data"]) for frame in before + after] == events[: len(seqs)]


@pytest.mark.parametrize(
    ("after", "last_event_id", "first"), [(2, None, 3), (0, "2", 3), (1, "3", 4), (3, "1", 4), (0, None, 1)]
)
async def test_stream_continues_after_the_last_event(
    served_api: ServedApi, after: int, last_event_id: str | None, first: int
) -> None:
    thread_id = await served_api.api.start_thread("look")
    async with served_api.follow_events(thread_id, after, last_event_id) as response:
        assert int((await anext(read_frames(response)))["id"]) == first


async def test_stream_of_an_unknown_thread_is_not_found(served_api: ServedApi) -> None:
    async with served_api.follow_events("thr_none") as response:
        assert response.status_code == 404
        assert json.loads(await response.aread())["error"]["code"] == "thread_not_found"


async def test_disconnected_client_is_unregistered(served_api: ServedApi) -> None:
    thread_id = await served_api.api.start_thread("look")
    async with served_api.follow_events(thread_id) as response:
        await anext(read_frames(response))
    async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
        await served_api.streams.client_left.wait()
    assert not served_api.api.bot.engine._subscribers


async def test_stopping_server_ends_its_streams_completely(served_api: ServedApi) -> None:
    thread_id = await served_api.api.start_thread("look")
    async with served_api.follow_events(thread_id) as response:
        frames = read_frames(response)
        await read_until(frames, "MessageSent")
        await served_api.stop()
        assert [frame async for frame in frames if "event" in frame] == []


async def test_many_streams_end_together(served_api: ServedApi) -> None:
    thread_id = await served_api.api.start_thread("look")
    async with AsyncExitStack() as stack:
        responses = [await stack.enter_async_context(served_api.follow_events(thread_id)) for _ in range(10)]
        streams = [read_frames(response) for response in responses]
        for frames in streams:
            await anext(frames)
        await served_api.stop()
        for frames in streams:
            assert all("id" in frame for frame in [frame async for frame in frames])


async def test_stream_opened_during_shutdown_sends_the_log_and_ends(served_api: ServedApi) -> None:
    thread_id = await served_api.api.start_thread("look")
    served_api.streams.end()
    async with served_api.follow_events(thread_id) as response:
        assert [frame["event"] async for frame in read_frames(response)][-1] == "MessageSent"
