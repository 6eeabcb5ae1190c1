"""Time in which mails are accepted under load, and in which they are read.

    python -m tests.bench.email_latency [--rate 50] [--seconds 20] [--large-every 100]

A server process runs on SQLite and on PostgreSQL with fsync. Mails are sent at fixed times, independent of the
replies, over connections that stay open, as a mail server in front does. A mail is accepted in the time from the end of
its data to the 250. Every `--large-every`th mail has 2 MB. Reading is measured in the child process of the reader, on
the mails of `tests/payloads/email`.
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

from channels.email.config import EmailSettings
from channels.email.reader_pool import ReaderPool
from channels.email.values import MailEnvelope, MailRejected
from tests.bench.processes import HANDRAIL, free_port
from tests.bench.slack_latency import print_percentiles
from tests.harness.people import PEOPLE, to_toml
from tests.postgres import create_database, start_server

BOT = "bot@bench.test"
CONNECTIONS = 8
MAIL_BYTES, LARGE_MAIL_BYTES = 4_000, 2_000_000
START_TIMEOUT_SECONDS = 60
CORPUS = Path(__file__).parents[1] / "payloads" / "email"
_BASE_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LOG_LEVEL": "error", "EMAIL_ADDRESS": BOT}


@dataclass
class MailConnection:
    """SMTP connection that sends one mail after the other. `mails` counts the mails of all connections."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    mails: "count[int]"

    @classmethod
    async def open(cls, port: int, mails: "count[int]") -> "MailConnection":
        connection = cls(*await asyncio.open_connection("127.0.0.1", port), mails)
        await connection._read_reply("220")
        await connection._command("EHLO bench.test")
        return connection

    async def send(self, size: int) -> float:
        """Send a mail of about this size. Return the seconds from the end of its data to the 250."""
        number = next(self.mails)
        await self._command(f"MAIL FROM:<sender{number}@bench.test>")
        await self._command(f"RCPT TO:<{BOT}>")
        await self._command("DATA", "354")
        self.writer.write(_create_mail(number, size))
        await self.writer.drain()
        started_at = time.perf_counter()
        await self._command(".")
        return time.perf_counter() - started_at

    async def _command(self, line: str, expected: str = "250") -> None:
        self.writer.write(f"{line}\r\n".encode())
        await self._read_reply(expected)

    async def _read_reply(self, expected: str) -> None:
        line = await self.reader.readline()
        while line[3:4] == b"-":
            line = await self.reader.readline()
        if not line.decode().startswith(expected):
            raise RuntimeError(f"the server replied {line!r} instead of {expected}")


def _create_mail(number: int, size: int) -> bytes:
    header = (
        f"From: sender{number}@bench.test\r\nTo: {BOT}\r\nSubject: mail {number}\r\nMessage-ID: <{number}@bench.test>"
    )
    line = b"This line stands for the text of an ordinary mail of a person.\r\n"
    return header.encode() + b"\r\n\r\n" + line * (size // len(line))


@dataclass
class Load:
    """Durations of the mails of one measurement, in seconds."""

    small: list[float] = field(default_factory=list)
    large: list[float] = field(default_factory=list)


async def measure_at_rate(port: int, rate: float, seconds: float, large_every: int) -> Load:
    """Send mails at fixed times. A mail for which no connection is free waits for one, outside its duration."""
    load, mails, free = Load(), count(1), asyncio.Queue[MailConnection]()
    for _ in range(CONNECTIONS):
        free.put_nowait(await MailConnection.open(port, mails))

    async def send(number: int) -> None:
        is_large = number % large_every == large_every - 1
        connection = await free.get()
        duration = await connection.send(LARGE_MAIL_BYTES if is_large else MAIL_BYTES)
        free.put_nowait(connection)
        (load.large if is_large else load.small).append(duration)

    started_at, tasks = time.perf_counter(), []
    for number in range(int(rate * seconds)):
        await asyncio.sleep(max(0.0, started_at + number / rate - time.perf_counter()))
        tasks.append(asyncio.create_task(send(number)))
    await asyncio.gather(*tasks)
    while not free.empty():
        free.get_nowait().writer.close()
    return load


@asynccontextmanager
async def running_server(environment: Mapping[str, str]) -> AsyncIterator[int]:
    """Start a server. Yield the port on which it receives mail."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "handrail.toml").write_text(to_toml(PEOPLE))
        port = free_port()
        variables = {**_BASE_ENVIRONMENT, "HOME": folder, "SMTP_LISTEN": f"127.0.0.1:{port}", **environment}
        command = [HANDRAIL, "up", "--port", str(free_port())]
        process = subprocess.Popen(command, cwd=folder, env=variables, stderr=subprocess.DEVNULL)
        try:
            await _wait_until_listening(port)
            yield port
        finally:
            process.terminate()
            process.wait(20)


async def _wait_until_listening(port: int) -> None:
    async with asyncio.timeout(START_TIMEOUT_SECONDS):
        while True:
            with suppress(OSError):
                (await MailConnection.open(port, count())).writer.close()
                return
            await asyncio.sleep(0.1)


async def measure_accepting(name: str, environment: Mapping[str, str], options: argparse.Namespace) -> None:
    """Measure the time to the 250 on one database."""
    async with running_server(environment) as port:
        await measure_at_rate(port, options.rate, 2, options.large_every)
        load = await measure_at_rate(port, options.rate, options.seconds, options.large_every)
    print_percentiles(f"{name}: mail of 4 kB accepted, {options.rate:.0f} mails/s", sorted(load.small))
    if load.large:
        print_percentiles(f"{name}: mail of 2 MB accepted among them", sorted(load.large))


async def measure_reading() -> None:
    """Measure the time to read each mail of the corpus in a child process that has started."""
    pool, durations = ReaderPool(EmailSettings(), size=1), []
    envelope = MailEnvelope(mail_from="", recipients=(BOT,), peer="127.0.0.1", helo="bench.test", protocol="lmtp")
    raw_mails = [path.read_bytes() for path in sorted(CORPUS.rglob("*.eml"))]
    try:
        for raw in [*raw_mails[:3], *raw_mails]:
            started_at = time.perf_counter()
            with suppress(MailRejected):
                await pool.read(raw, envelope)
            durations.append(time.perf_counter() - started_at)
    finally:
        await pool.close()
    print_percentiles(f"mail of the corpus read ({len(raw_mails)} mails)", sorted(durations[3:]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=50)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--large-every", type=int, default=100)
    options = parser.parse_args(sys.argv[1:] if __name__ == "__main__" else [])
    asyncio.run(measure_reading())
    asyncio.run(measure_accepting("SQLite", {}, options))
    url = create_database(start_server(is_durable=True).url)
    asyncio.run(measure_accepting("PostgreSQL", {"DATABASE_URL": url}, options))


if __name__ == "__main__":
    main()
