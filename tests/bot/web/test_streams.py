import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from tests.bot.web.served import Served
from tests.bot.web.sse import Frame, frames_of
from tests.bot.web.surface import PATIENCE


async def until(frames: AsyncIterator[Frame], kind: str) -> list[Frame]:
    """The frames up to the first of a kind."""
    got = []
    async for frame in frames:
        got.append(frame)
        if frame.get("event") == kind:
            return got
    raise AssertionError(f"the stream ended before {kind}: {got}")


async def test_a_thread_is_followed_live(served: Served) -> None:
    thread_id = await served.surface.opened("look")
    async with served.following(thread_id) as told:
        assert told.status_code == 200
        assert told.headers["Content-Type"].startswith("text/event-stream")
        assert told.headers["Cache-Control"] == "no-store"
        frames = frames_of(told)
        before = await until(frames, "ThreadFinished")
        await served.surface.client().post(f"/v1/threads/{thread_id}/messages", json={"text": "push v1"})
        after = await until(frames, "RequestShown")
    got = [int(frame["id"]) for frame in before + after]
    assert got == list(range(1, len(got) + 1))
    assert "RequestOpened" in {frame["event"] for frame in after}
    read = (await served.surface.client().get(f"/v1/threads/{thread_id}/events")).json()["events"]
    assert [json.loads(frame["data"]) for frame in before + after] == read[: len(got)]


@pytest.mark.parametrize(
    ("after", "last", "begins"), [(2, None, 3), (0, "2", 3), (1, "3", 4), (3, "1", 4), (0, None, 1)]
)
async def test_a_stream_goes_on_where_it_was_left(served: Served, after: int, last: str | None, begins: int) -> None:
    thread_id = await served.surface.opened("look")
    async with served.following(thread_id, after, last) as told:
        assert int((await anext(frames_of(told)))["id"]) == begins


async def test_a_stream_of_no_thread_is_refused_before_it_begins(served: Served) -> None:
    async with served.following("thr_none") as told:
        assert told.status_code == 404
        assert json.loads(await told.aread())["error"]["code"] == "thread_not_found"


async def test_a_client_that_goes_is_forgotten(served: Served) -> None:
    thread_id = await served.surface.opened("look")
    async with served.following(thread_id) as told:
        await anext(frames_of(told))
    async with asyncio.timeout(PATIENCE):
        await served.streams.left.wait()
    assert not served.surface.bot.engine._bells


async def test_a_server_that_stops_ends_its_streams_with_a_whole_answer(served: Served) -> None:
    thread_id = await served.surface.opened("look")
    async with served.following(thread_id) as told:
        frames = frames_of(told)
        await until(frames, "MessageSent")
        await served.stop()
        assert [frame async for frame in frames if "event" in frame] == []


async def test_many_streams_end_together(served: Served) -> None:
    thread_id = await served.surface.opened("look")
    async with AsyncExitStack() as stack:
        answers = [await stack.enter_async_context(served.following(thread_id)) for _ in range(10)]
        streams = [frames_of(told) for told in answers]
        for frames in streams:
            await anext(frames)
        await served.stop()
        for frames in streams:
            assert all("id" in frame for frame in [frame async for frame in frames])


async def test_a_stream_that_begins_after_the_end_tells_the_log_and_ends(served: Served) -> None:
    thread_id = await served.surface.opened("look")
    served.streams.end()
    async with served.following(thread_id) as told:
        assert [frame["event"] async for frame in frames_of(told)][-1] == "MessageSent"
