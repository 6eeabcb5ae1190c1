"""`handrail chat --once`: say one thing, print what comes of it as JSON lines until the thread rests (CONTRACT §2)."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from bot.cli.chat.renderer import TIMER_END_EVENTS
from bot.cli.output import print_json_line, print_message
from channels.terminal.client import ConnectionChange, LoggedEvent, TerminalClient, api_path

MAX_RETRIES = 8
"""Attempts while the server is away, half a minute together: a restart takes two seconds."""

IDLE_TIMEOUT_SECONDS = 1800.0
"""A call of the model may take so long."""


async def run_once(
    server: TerminalClient, text: str, agent: str | None, *, idle_timeout_seconds: float = IDLE_TIMEOUT_SECONDS
) -> int:
    """The exit code: 0 when the thread waits, is paused or done; 1 when it failed or nothing moved for so long."""
    opening = {"message": text, "agent": agent, "requester": server.person, "reply_to": server.address}
    thread = await server.post(api_path("threads"), opening)
    try:
        thread = await _wait_until_idle(server, thread["id"], idle_timeout_seconds)
        code = int(thread["status"] in ("failed", "cancelled"))
    except TimeoutError:
        print_message(
            f"handrail: nothing moved for {idle_timeout_seconds:g} seconds; "
            f"`handrail threads show {thread['id']}` tells how it stands"
        )
        code = 1
    print_json_line({"type": "thread", **thread})
    return code


async def _wait_until_idle(server: TerminalClient, thread_id: str, idle_timeout_seconds: float) -> Any:
    """The thread as it rests, with everything printed that led there. Raises TimeoutError.

    A thread that waits for the time of a retry does not rest: it goes on by itself, while nobody has an answer yet.
    """
    news = server.follow(thread_id)
    has_timer, retries_in = False, 0.0
    while True:
        async with asyncio.timeout(idle_timeout_seconds + retries_in):
            event = await _next_event(news)
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
        pass  # that the connection is lost or back moves nothing
    return event


async def _print_event(server: TerminalClient, event: LoggedEvent) -> None:
    if event.type == "ReplyChosen":
        print_json_line({"type": "reply", "text": event.data["text"]})
    elif event.type == "NoticeGiven":
        print_json_line({"type": "notice", "text": event.data["text"]})
    elif event.type == "RequestOpened":
        request = await server.get(api_path("requests", event.data["request"]["id"]), retries=MAX_RETRIES)
        print_json_line({"type": "request", **request})
