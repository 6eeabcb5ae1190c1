"""`handrail chat --once`: say one thing, print what comes of it as JSON lines until the thread rests (CONTRACT §2)."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from bot.cli.chat.news import ENDS_TIMER
from bot.cli.screen import show_line, tell
from channels.terminal.client import Connection, LoggedEvent, TerminalClient, path

PATIENCE = 8
"""Attempts while the server is away, half a minute together: a restart takes two seconds."""

STILL_SECONDS = 1800.0
"""A call of the model may take so long."""


async def once(server: TerminalClient, text: str, agent: str | None, *, still: float = STILL_SECONDS) -> int:
    """The exit code: 0 when the thread waits, is paused or done; 1 when it failed or nothing moved for so long."""
    opening = {"message": text, "agent": agent, "requester": server.person, "reply_to": server.address}
    thread = await server.post(path("threads"), opening)
    try:
        thread = await _until_rest(server, thread["id"], still)
        code = int(thread["status"] in ("failed", "cancelled"))
    except TimeoutError:
        tell(
            f"handrail: nothing moved for {still:g} seconds; `handrail threads show {thread['id']}` tells how it stands"
        )
        code = 1
    show_line({"type": "thread", **thread})
    return code


async def _until_rest(server: TerminalClient, thread_id: str, still: float) -> Any:
    """The thread as it rests, with everything printed that led there. Raises TimeoutError.

    A thread that waits for the time of a retry does not rest: it goes on by itself, while nobody has an answer yet.
    """
    news = server.follow(thread_id)
    has_timer, retries_in = False, 0.0
    while True:
        async with asyncio.timeout(still + retries_in):
            event = await _next_event(news)
        await _print(server, event)
        has_timer = event.type == "TimerSet" or (has_timer and event.type not in ENDS_TIMER)
        retries_in = _seconds_until(event.data.get("retry_at"))
        thread = await server.get(path("threads", thread_id), patience=PATIENCE)
        is_retrying = thread["status"] == "waiting_for_time" and not has_timer
        if thread["status"] != "running" and not is_retrying and thread["version"] <= event.seq:
            return thread


def _seconds_until(at: Any) -> float:
    return max(0.0, (datetime.fromisoformat(at) - datetime.now(UTC)).total_seconds()) if isinstance(at, str) else 0.0


async def _next_event(news: AsyncIterator[LoggedEvent | Connection]) -> LoggedEvent:
    while not isinstance(event := await anext(news), LoggedEvent):
        pass  # that the connection is lost or back moves nothing
    return event


async def _print(server: TerminalClient, event: LoggedEvent) -> None:
    if event.type == "ReplyChosen":
        show_line({"type": "reply", "text": event.data["text"]})
    elif event.type == "NoticeGiven":
        show_line({"type": "notice", "text": event.data["text"]})
    elif event.type == "RequestOpened":
        request = await server.get(path("requests", event.data["request"]["id"]), patience=PATIENCE)
        show_line({"type": "request", **request})
