"""Response time to Slack under load, and time from a click to the start of its tool.

    python -m tests.bench.slack_latency [--rate 200] [--seconds 10] [--clicks 50]

A server process with the deploy agent runs on SQLite and on PostgreSQL with fsync. Slack is a stub that accepts every
call. Events are sent at fixed times, independent of the responses; each mention opens a thread, whose agent reads its
repository and replies.
"""

import argparse
import asyncio
import hashlib
import hmac
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count, dropwhile
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
from aiohttp import web

from tests.bench.processes import HANDRAIL, free_port
from tests.harness.people import PEOPLE, to_toml, with_addresses
from tests.postgres import create_database, start_server

SIGNING_SECRET = "signing-secret-of-the-bench"
API_TOKEN = "a-token-of-the-bench-0123456789"
TEAM, CHANNEL, BOT = "T0BENCH", "C0BENCH", "U0BOT"
SLACK_PEOPLE = with_addresses(PEOPLE, alice=("slack:U0ALICE",), bob=("slack:U0BOB",))
MENTION_TEXT, MENTION_EVENT_TYPES = f"<@{BOT}> hello", ("app_mention", "message")
PAUSE_SECONDS = 3.0
"""Seconds between two measurements."""
_BASE_ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "LOG_LEVEL": "error",
    "SMTP_LISTEN": "",
    "HANDRAIL_API_TOKENS": f"bench:{API_TOKEN}:alice",
}
Json = dict[str, Any]


@dataclass
class SlackStub:
    """Slack API that accepts every call and stores the approval cards that are posted."""

    cards: asyncio.Queue[Json] = field(default_factory=asyncio.Queue)
    numbers: "count[int]" = field(default_factory=count)

    async def handle(self, request: web.Request) -> web.Response:
        body = json.loads(await request.read() or b"{}") if request.content_type == "application/json" else {}
        ts = f"{int(time.time())}.{next(self.numbers):06d}"
        if "handrail.approve" in str(body.get("blocks")) and request.match_info["method"] == "chat.postMessage":
            self.cards.put_nowait({**body, "ts": ts})
        identity = {"team_id": TEAM, "user_id": BOT, "bot_id": "B0BOT"}
        return web.json_response({"ok": True, "ts": ts, "channel": body.get("channel"), **identity})


@dataclass
class SlackSender:
    """Sends signed requests to the server and records the response times."""

    session: aiohttp.ClientSession
    url: str
    response_seconds: list[float] = field(default_factory=list)
    numbers: "count[int]" = field(default_factory=count)

    async def post(self, body: bytes, content_type: str) -> None:
        at = str(int(time.time()))
        signature = hmac.new(SIGNING_SECRET.encode(), f"v0:{at}:".encode() + body, hashlib.sha256).hexdigest()
        headers = {
            "X-Slack-Request-Timestamp": at,
            "X-Slack-Signature": f"v0={signature}",
            "Content-Type": content_type,
        }
        started_at = time.perf_counter()
        async with self.session.post(f"{self.url}/channels/slack/events", data=body, headers=headers) as response:
            await response.read()
            response.raise_for_status()
        self.response_seconds.append(time.perf_counter() - started_at)

    async def post_message(self, text: str, *event_types: str) -> None:
        """Post as Alice in the channel. Slack sends a mention as two events of different types."""
        now = int(time.time())
        ts = f"{now}.{next(self.numbers):06d}"
        event = {"user": "U0ALICE", "text": text, "ts": ts, "channel": CHANNEL, "event_ts": ts}
        for kind in event_types:
            envelope = {"type": "event_callback", "team_id": TEAM, "event_id": f"Ev{next(self.numbers)}"}
            body = {**envelope, "event": {"type": kind, **event}, "event_time": now}
            await self.post(json.dumps(body).encode(), "application/json")

    async def approve(self, card: Json) -> None:
        """Click Approve as Bob."""
        elements = next(block for block in card["blocks"] if block["type"] == "actions")["elements"]
        approve = next(element for element in elements if element["action_id"] == "handrail.approve")
        action = {name: approve[name] for name in ("action_id", "value", "type")} | {"action_ts": f"{time.time():.6f}"}
        message = {"message_ts": card["ts"], "channel_id": CHANNEL, "thread_ts": card["thread_ts"]}
        payload = {
            "type": "block_actions",
            "team": {"id": TEAM},
            "user": {"id": "U0BOB", "team_id": TEAM},
            "container": {"type": "message", **message},
            "actions": [action],
            "trigger_id": f"trigger.{next(self.numbers)}",
        }
        await self.post(urlencode({"payload": json.dumps(payload)}).encode(), "application/x-www-form-urlencoded")

    async def fetch_events(self, thread_id: str) -> list[Json]:
        headers = {"Authorization": f"Bearer {API_TOKEN}"}
        async with self.session.get(f"{self.url}/v1/threads/{thread_id}/events", headers=headers) as response:
            events: list[Json] = (await response.json())["events"]
            return events


@asynccontextmanager
async def running_server(environment: Mapping[str, str]) -> AsyncIterator[tuple[SlackSender, SlackStub]]:
    """Start a server and a Slack stub. Yield a sender and the stub."""
    with tempfile.TemporaryDirectory() as folder:
        async with running_slack_stub() as (stub, api):
            (Path(folder) / "handrail.toml").write_text(to_toml(SLACK_PEOPLE))
            slack = {"SLACK_BOT_TOKEN": "xoxb-bench", "SLACK_SIGNING_SECRET": SIGNING_SECRET, "SLACK_API_URL": api}
            port, process_environment = free_port(), {**_BASE_ENVIRONMENT, "HOME": folder, **slack, **environment}
            command = [HANDRAIL, "up", "--port", str(port)]
            process = subprocess.Popen(command, cwd=folder, env=process_environment, stderr=subprocess.DEVNULL)
            try:
                async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=200)) as session:
                    sender = SlackSender(session, f"http://127.0.0.1:{port}")
                    await _wait_until_ready(sender)
                    yield sender, stub
            finally:
                process.terminate()
                process.wait(20)


@asynccontextmanager
async def running_slack_stub() -> AsyncIterator[tuple[SlackStub, str]]:
    stub, app = SlackStub(), web.Application()
    app.router.add_route("*", "/api/{method}", stub.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield stub, "http://{}:{}/api/".format(*runner.addresses[0])
    finally:
        await runner.cleanup()


async def _wait_until_ready(sender: SlackSender) -> None:
    async with asyncio.timeout(30):
        while True:
            with suppress(aiohttp.ClientError):
                async with sender.session.get(f"{sender.url}/readyz") as response:
                    if response.ok:
                        return
            await asyncio.sleep(0.05)


async def measure_at_rate(
    sender: SlackSender, rate: float, seconds: float, text: str, *event_types: str
) -> list[float]:
    """Send events at fixed times. Return the response times in seconds, sorted."""
    await sender.post_message(MENTION_TEXT, *MENTION_EVENT_TYPES)
    await asyncio.sleep(PAUSE_SECONDS)
    sender.response_seconds.clear()
    started_at, tasks, messages = time.perf_counter(), [], rate / len(event_types)
    for number in range(int(messages * seconds)):
        await asyncio.sleep(max(0.0, started_at + number / messages - time.perf_counter()))
        tasks.append(asyncio.create_task(sender.post_message(text, *event_types)))
    await asyncio.gather(*tasks)
    return sorted(sender.response_seconds)


async def measure_clicks(sender: SlackSender, stub: SlackStub, count: int) -> list[float]:
    """Return the seconds from each click to the start of its tool, as logged in the thread, sorted."""
    durations = []
    for _ in range(count):
        await sender.post_message(f"<@{BOT}> deploy v1.4.0 to staging", *MENTION_EVENT_TYPES)
        card = await asyncio.wait_for(stub.cards.get(), 30)
        started_at = time.time()
        await sender.approve(card)
        durations.append(
            await _tool_started_at(sender, card["metadata"]["event_payload"]["outbox_id"].partition(":")[0])
            - started_at
        )
    return sorted(durations)


async def _tool_started_at(sender: SlackSender, thread_id: str) -> float:
    """Return the time at which the approved tool started, once the log has it."""
    async with asyncio.timeout(30):
        while (started_at := _find_tool_start(await sender.fetch_events(thread_id))) is None:  # noqa: ASYNC110 - the server is another process
            await asyncio.sleep(0.02)
    return datetime.fromisoformat(started_at).timestamp()


def _find_tool_start(events: list[Json]) -> str | None:
    """Return the time of the first ToolStarted after the RequestAnswered, None if the log has none yet."""
    later_events = dropwhile(lambda event: event["type"] != "RequestAnswered", events)
    return next((event["at"] for event in later_events if event["type"] == "ToolStarted"), None)


def print_percentiles(label: str, seconds: list[float]) -> None:
    percentiles = [seconds[int(len(seconds) * part)] * 1000 for part in (0.5, 0.99)]
    print(f"{label:<58} p50 {percentiles[0]:6.1f} ms  p99 {percentiles[1]:6.1f} ms")


async def measure(name: str, environment: Mapping[str, str], options: argparse.Namespace) -> None:
    """Run all measurements on one database."""
    async with running_server(environment) as (sender, stub):
        print_percentiles(f"{name}: click to start of the tool", await measure_clicks(sender, stub, options.clicks))
        load = f"{name}: response, {options.rate:.0f} events/s"
        print_percentiles(
            f"{load} without a mention",
            await measure_at_rate(sender, options.rate, options.seconds, "lunch?", "message"),
        )
        print_percentiles(
            f"{load}, mentions sent twice",
            await measure_at_rate(sender, options.rate, options.seconds, MENTION_TEXT, *MENTION_EVENT_TYPES),
        )
        print_percentiles(
            f"{load}, each opens a thread",
            await measure_at_rate(sender, options.rate, options.seconds, MENTION_TEXT, "app_mention"),
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=200)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--clicks", type=int, default=50)
    options = parser.parse_args(sys.argv[1:] if __name__ == "__main__" else [])
    asyncio.run(measure("SQLite", {}, options))
    url = create_database(start_server(is_durable=True).url)
    asyncio.run(measure("PostgreSQL", {"DATABASE_URL": url}, options))


if __name__ == "__main__":
    main()
