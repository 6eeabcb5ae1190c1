"""Response time to Twilio under load: from the request of a webhook to the answer, which follows the commit.

    python -m tests.bench.sms_latency [--rate 100] [--seconds 10]

A server process runs on SQLite and on PostgreSQL with fsync. Twilio is a stub that accepts every message. Messages are
sent at fixed times, independent of the responses: first all from one number, which has no consequences after the first,
then each from a number of its own, which is not known to the server and gets one automatic reply.
"""

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from urllib.parse import urlencode

import aiohttp
from aiohttp import web

from tests.bench.processes import HANDRAIL, free_port
from tests.bench.slack_latency import PAUSE_SECONDS, print_percentiles
from tests.fakes.twilio.phones import sign
from tests.postgres import create_database, start_server

ACCOUNT_SID, AUTH_TOKEN, NUMBER = "AC" + "0" * 32, "the-token-of-the-bench", "+15550009000"
PUBLIC_URL, PATH = "https://bench.handrail.test", "/channels/sms/messages"
FORM_TYPE = "application/x-www-form-urlencoded"


@dataclass
class SmsSender:
    """Sends signed webhooks to the server and records the response times."""

    session: aiohttp.ClientSession
    url: str
    response_seconds: list[float] = field(default_factory=list)
    numbers: "count[int]" = field(default_factory=count)

    async def post_message(self, *, is_new_number: bool) -> None:
        number = next(self.numbers)
        sid, phone = f"SM{number:032x}", f"+1555{number if is_new_number else 0:07}"
        form = {
            "MessageSid": sid,
            "AccountSid": ACCOUNT_SID,
            "From": phone,
            "To": NUMBER,
            "Body": "hello",
            "NumMedia": "0",
        }
        headers = {"X-Twilio-Signature": sign(AUTH_TOKEN, PUBLIC_URL + PATH, form), "Content-Type": FORM_TYPE}
        started_at = time.perf_counter()
        async with self.session.post(f"{self.url}{PATH}", data=urlencode(form), headers=headers) as response:
            await response.read()
            response.raise_for_status()
        self.response_seconds.append(time.perf_counter() - started_at)


@asynccontextmanager
async def running_server(environment: Mapping[str, str]) -> AsyncIterator[SmsSender]:
    """Start a server and a stub of Twilio. Yield a sender."""
    with tempfile.TemporaryDirectory() as folder:
        async with running_stub() as api_url:
            port = free_port()
            variables = {
                "PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": folder, "LOG_LEVEL": "error", "SMTP_LISTEN": "",
                "PUBLIC_URL": PUBLIC_URL, "TWILIO_ACCOUNT_SID": ACCOUNT_SID, "TWILIO_AUTH_TOKEN": AUTH_TOKEN,
                "TWILIO_FROM": NUMBER, "TWILIO_API_URL": api_url, "SMS_DAILY_SEGMENTS": "1000000", **environment,
            }  # fmt: skip
            command = [HANDRAIL, "up", "--port", str(port)]
            process = subprocess.Popen(command, cwd=Path(folder), env=variables, stderr=subprocess.DEVNULL)
            try:
                async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=200)) as session:
                    sender = SmsSender(session, f"http://127.0.0.1:{port}")
                    await _wait_until_ready(sender)
                    yield sender
            finally:
                process.terminate()
                process.wait(20)


@asynccontextmanager
async def running_stub() -> AsyncIterator[str]:
    """Run an API that accepts every message and lists none."""
    numbers: count[int] = count()

    async def handle(request: web.Request) -> web.Response:
        if request.method == "GET":
            return web.json_response({"messages": [], "next_page_uri": None, "page": 0, "page_size": 50})
        return web.json_response({"sid": f"SM{next(numbers):032x}", "status": "queued"}, status=201)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield "http://{}:{}".format(*runner.addresses[0])
    finally:
        await runner.cleanup()


async def _wait_until_ready(sender: SmsSender) -> None:
    async with asyncio.timeout(30):
        while True:
            with suppress(aiohttp.ClientError):
                async with sender.session.get(f"{sender.url}/readyz") as response:
                    if response.ok:
                        return
            await asyncio.sleep(0.05)


async def measure(name: str, environment: Mapping[str, str], options: argparse.Namespace) -> None:
    """Send messages at fixed times and print the response times."""
    async with running_server(environment) as sender:
        for label, is_new_number in (("one number", False), ("each a new number", True)):
            await sender.post_message(is_new_number=is_new_number)
            await asyncio.sleep(PAUSE_SECONDS)
            sender.response_seconds.clear()
            started_at, tasks = time.perf_counter(), []
            for number in range(int(options.rate * options.seconds)):
                await asyncio.sleep(max(0.0, started_at + number / options.rate - time.perf_counter()))
                tasks.append(asyncio.create_task(sender.post_message(is_new_number=is_new_number)))
            await asyncio.gather(*tasks)
            print_percentiles(
                f"{name}: webhook of an SMS, {options.rate:.0f}/s, {label}", sorted(sender.response_seconds)
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=100)
    parser.add_argument("--seconds", type=float, default=10)
    options = parser.parse_args(sys.argv[1:] if __name__ == "__main__" else [])
    asyncio.run(measure("SQLite", {}, options))
    url = create_database(start_server(is_durable=True).url)
    asyncio.run(measure("PostgreSQL", {"DATABASE_URL": url}, options))


if __name__ == "__main__":
    main()
