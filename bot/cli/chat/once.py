"""`handrail chat --once`: post one message and print JSON lines until the thread waits or ends."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from bot.cli.chat.renderer import TIMER_END_EVENTS
from bot.cli.output import print_json_line, print_message
from channels.terminal.client import ConnectionChange, LoggedEvent, TerminalClient, api_path

MAX_RETRIES = 8
"""Retries while the server is unavailable, half a minute in total. A restart takes about two seconds."""

IDLE_TIMEOUT_SECONDS = 1800.0
"""Time without an event before giving up. A slow model call must fit in."""


async def run_once(
    server: TerminalClient, text: str, agent: str | None, *, idle_timeout_seconds: float = IDLE_TIMEOUT_SECONDS
) -> int:
    """Return the exit code: 0 when the thread waits, is paused or done; 1 when it failed or the wait timed out."""
    body = {"message": text, "agent": agent, "requester": server.person, "reply_to": server.address}
    thread = await server.post(api_path("threads"), body)
    try:
        thread = await _wait_until_idle(server, thread["id"], idle_timeout_seconds)
        code = int(thread["status"] in ("failed", "cancelled"))
    except TimeoutError:
        print_message(
            f"handrail: nothing happened for {idle_timeout_seconds:g} seconds; "
            f"`handrail threads show {thread['id']}` shows the thread"
        )
        code = 1
    print_json_line({"type": "thread", **thread})
    return code


async def _wait_until_idle(server: TerminalClient, thread_id: str, idle_timeout_seconds: float) -> Any:
    """Print events until the thread is idle, and return the thread. Raises TimeoutError.

    A thread that waits to retry is not idle: it continues by itself, and there is no answer yet.
    """
    stream = server.follow(thread_id)
    has_timer, retries_in = False, 0.0
    while True:
        async with asyncio.timeout(idle_timeout_seconds + retries_in):
            event = await _next_event(stream)
        await _print_event(server, event)
        has_timer = event.type == "TimerSet" or (has_timer and event.type not in TIMER_END_EVENTS)
        retries_in = _seconds_until(event.data.get("retry_at"))
        thread = await server.get(api_path("threads", thread_id), retries=MAX_RETRIES)
        is_retrying = thread["status"] == "waiting_for_time" and not has_timer
        if thread["status"] != "running" and not is_retrying and thread["version"] <= event.seq:
            return thread


def _seconds_until(at: Any) -> float:
    return max(0.0, (datetime.fromisoformat(at) - datetime.now(UTC)).total_seconds()) if isinstance(at, str) else 0.0


async def _next_event(stream: AsyncIterator[LoggedEvent | ConnectionChange]) -> LoggedEvent:
    while not isinstance(event := await anext(stream), LoggedEvent):
        pass  # changes of the connection are not events
    return event


async def _print_event(server: TerminalClient, event: LoggedEvent) -> None:
    if event.type == "ReplyChosen":
        print_json_line({"type": "reply", "text": event.data["text"]})
    elif event.type == "NoticeGiven":
        print_json_line({"type": "notice", "text": event.data["text"]})
    elif event.type == "RequestOpened":
        request = await server.get(api_path("requests", event.data["request"]["id"]), retries=MAX_RETRIES)
        print_json_line({"type": "request", **request})
