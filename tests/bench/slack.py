"""How soon Slack is answered under load, and how soon a click starts its tool.

    python -m tests.bench.slack [--rate 200] [--seconds 10]

A server process of its own, with the deploy agent on its sample repository; Slack is a stub beside us that takes
whatever it is told. Events come at fixed times, however late their answers are.
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
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
from aiohttp import web

from tests.bench.processes import HANDRAIL, free_port

SECRET = "signing-secret-of-the-bench"
TEAM, CHANNEL, BOT = "T0BENCH", "C0BENCH", "U0BOT"
PEOPLE = """
[people.alice]
name = "Alice"
slack = "U0ALICE"

[people.bob]
name = "Bob"
roles = ["release"]
slack = "U0BOB"
"""
_CLEAN = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
_numbers = count(1)


@dataclass
class Stub:
    """Answers every method, and keeps the cards it is given."""

    cards: asyncio.Queue[dict[str, Any]] = field(default_factory=asyncio.Queue)
    last_ts: int = 0

    async def answer(self, request: web.Request) -> web.Response:
        method, body = request.match_info["method"], await request.read()
        if method == "auth.test":
            return web.json_response({"ok": True, "team_id": TEAM, "user_id": BOT, "bot_id": "B0BOT"})
        self.last_ts += 1
        ts = f"{int(time.time())}.{self.last_ts:06d}"
        told = json.loads(body or b"{}") if request.content_type == "application/json" else {}
        if method == "chat.postMessage" and "handrail.approve" in str(told.get("blocks")):
            self.cards.put_nowait({**told, "ts": ts})
        return web.json_response({"ok": True, "ts": ts, "channel": told.get("channel")})


@dataclass
class Line:
    """The way to the server: everything is signed, and every answer's time is kept."""

    session: aiohttp.ClientSession
    url: str
    seconds: list[float] = field(default_factory=list)
    refused: int = 0

    async def post(self, body: bytes, content_type: str) -> None:
        at = str(int(time.time()))
        seal = hmac.new(SECRET.encode(), f"v0:{at}:".encode() + body, hashlib.sha256).hexdigest()
        headers = {"X-Slack-Request-Timestamp": at, "X-Slack-Signature": f"v0={seal}", "Content-Type": content_type}
        began = time.perf_counter()
        async with self.session.post(self.url, data=body, headers=headers) as response:
            await response.read()
            self.refused += response.status != 200
        self.seconds.append(time.perf_counter() - began)

    async def event(self, text: str, *, kind: str = "app_mention", thread_ts: str | None = None) -> str:
        number = next(_numbers)
        ts = f"{int(time.time())}.{number:06d}"
        event = {"type": kind, "user": "U0ALICE", "text": text, "ts": ts, "channel": CHANNEL, "event_ts": ts}
        event |= {"thread_ts": thread_ts} if thread_ts else {}
        envelope = {"type": "event_callback", "team_id": TEAM, "api_app_id": "A0", "event_id": f"Ev{number}"}
        await self.post(
            json.dumps({**envelope, "event": event, "event_time": int(time.time())}).encode(), "application/json"
        )
        return ts

    async def click(self, card: dict[str, Any]) -> None:
        elements = next(block for block in card["blocks"] if block["type"] == "actions")["elements"]
        approve = next(element for element in elements if element["action_id"] == "handrail.approve")
        action = {"action_id": approve["action_id"], "value": approve["value"], "action_ts": f"{time.time():.6f}"}
        payload = {
            "type": "block_actions",
            "team": {"id": TEAM},
            "user": {"id": "U0BOB", "team_id": TEAM},
            "container": {
                "type": "message",
                "message_ts": card["ts"],
                "channel_id": CHANNEL,
                "thread_ts": card["thread_ts"],
            },
            "actions": [action | {"type": "button", "block_id": "b"}],
            "trigger_id": f"trigger.{next(_numbers)}",
        }
        body = urlencode({"payload": json.dumps(payload)}).encode()
        await self.post(body, "application/x-www-form-urlencoded")


@asynccontextmanager
async def serving(folder: Path, environment: dict[str, str]) -> AsyncIterator[tuple[Line, Stub, str]]:
    """A server with Slack, the way to it, and its address."""
    stub, app, port = Stub(), web.Application(), free_port()
    app.router.add_route("*", "/api/{method}", stub.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    (folder / "handrail.toml").write_text(PEOPLE)
    slack = {
        "SLACK_BOT_TOKEN": "xoxb-bench",
        "SLACK_SIGNING_SECRET": SECRET,
        "SLACK_API_URL": "http://{}:{}/api/".format(*runner.addresses[0]),
        "HANDRAIL_API_TOKENS": "bench:a-token-of-the-bench-0123456789:alice",
        "LOG_LEVEL": "error",
    }
    process = subprocess.Popen(
        [HANDRAIL, "up", "--port", str(port)], cwd=folder, env={**_CLEAN, "HOME": str(folder), **slack, **environment}
    )
    url = f"http://127.0.0.1:{port}"
    try:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=200)) as session:
            await _until_ready(session, url)
            yield Line(session, f"{url}/channels/slack/events"), stub, url
    finally:
        process.terminate()
        process.wait(20)
        await runner.cleanup()


async def _until_ready(session: aiohttp.ClientSession, url: str) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                async with session.get(f"{url}/readyz") as response:
                    if response.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.05)


async def _at_rate(line: Line, rate: float, seconds: float, text: str, kind: str) -> list[float]:
    """Events at fixed times; seconds until each was answered."""
    line.seconds.clear()
    began, tasks = time.perf_counter(), []
    for number in range(int(rate * seconds)):
        await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
        tasks.append(asyncio.create_task(line.event(text, kind=kind)))
    await asyncio.gather(*tasks)
    return sorted(line.seconds)


def _told(what: str, sorted_seconds: list[float]) -> None:
    shown = {name: sorted_seconds[int(len(sorted_seconds) * part)] for name, part in (("p50", 0.5), ("p99", 0.99))}
    worst = sorted_seconds[-1]
    print(f"  {what}: p50 {shown['p50'] * 1000:.1f} ms, p99 {shown['p99'] * 1000:.1f} ms, worst {worst * 1000:.0f} ms")


async def _clicks(line: Line, stub: Stub, url: str, number: int) -> list[float]:
    """Seconds from the click to the start of its tool, as the log tells the time of both."""
    headers = {"Authorization": "Bearer a-token-of-the-bench-0123456789"}
    taken = []
    for _ in range(number):
        await line.event(f"<@{BOT}> deploy v1.4.0 to staging")
        card = await asyncio.wait_for(stub.cards.get(), 30)
        began = time.time()
        await line.click(card)
        thread = card["metadata"]["event_payload"]["outbox_id"].split(":")[0]
        taken.append(await _started(line.session, f"{url}/v1/threads/{thread}/events", headers) - began)
    return sorted(taken)


async def _started(session: aiohttp.ClientSession, url: str, headers: dict[str, str]) -> float:
    async with asyncio.timeout(30):
        while True:
            async with session.get(url, headers=headers) as response:
                events = (await response.json())["events"]
            answered = [e["seq"] for e in events if e["type"] == "RequestAnswered"]
            after = [e["at"] for e in events if e["type"] == "ToolStarted" and answered and e["seq"] > answered[0]]
            if after:
                return datetime.fromisoformat(after[0]).timestamp()
            await asyncio.sleep(0.02)


async def measure(name: str, environment: dict[str, str], rate: float, seconds: float) -> None:
    """All of it on one kind of database."""
    print(f"Slack on {name}")
    with tempfile.TemporaryDirectory() as folder:
        async with serving(Path(folder), environment) as (line, stub, url):
            await line.event(f"<@{BOT}> help")
            noise = await _at_rate(line, rate, seconds, "lunch?", "message")
            _told(f"answered, {rate:.0f} events/s that are nothing to us", noise)
            calls = await _at_rate(line, rate, seconds, f"<@{BOT}> hello", "app_mention")
            _told(f"answered, {rate:.0f} events/s that each open a thread", calls)
            print(f"  refused: {line.refused}")
            await asyncio.sleep(8)
            _told("click to start of the tool", await _clicks(line, stub, url, 20))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=200)
    parser.add_argument("--seconds", type=float, default=10)
    given = parser.parse_args(sys.argv[1:] if __name__ == "__main__" else [])
    asyncio.run(measure("SQLite", {}, given.rate, given.seconds))


if __name__ == "__main__":
    main()
