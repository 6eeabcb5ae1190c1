"""Time to print help and to start, idle CPU and memory of a server, also with many waiting threads.

python -m tests.bench.processes [--threads 100000]
"""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, insert

from agents.core.events import MessageReceived, ThreadStarted
from agents.core.reducer import fold
from agents.core.request_factory import question_request
from agents.core.state import ThreadState
from agents.core.steps import RequestHumanInput
from agents.core.values import Address, EventStamp, person_address
from storage.codec import event_to_row
from storage.database.database import create_database_engine
from storage.database.schema import migrate
from storage.database.tables import EventRow, ThreadRow
from storage.event_store import thread_to_row

HANDRAIL = str(Path(sys.executable).with_name("handrail"))
START_TIMEOUT_SECONDS = 60.0
IDLE_SECONDS = 10.0
CLOCK_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def measure_help(runs: int = 7) -> float:
    """Return the median duration of `handrail --help` in seconds."""
    durations = []
    for _ in range(runs):
        started_at = time.perf_counter()
        subprocess.run([HANDRAIL, "--help"], check=True, capture_output=True)
        durations.append(time.perf_counter() - started_at)
    return sorted(durations)[runs // 2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running_server(folder: Path) -> Iterator[tuple[int, float]]:
    """Start a server in the folder. Yield its process id and the seconds until it was ready."""
    port = free_port()
    started_at = time.perf_counter()
    command = [HANDRAIL, "up", "--port", str(port)]
    environment = {**os.environ, "SMTP_LISTEN": ""}  # noqa: TID251 - the benchmark runs with the user's variables
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait_until_ready(port)
        yield process.pid, time.perf_counter() - started_at
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(15)


def _wait_until_ready(port: int) -> None:
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as response:
                if json.load(response):
                    return
        except OSError:
            time.sleep(0.02)
    raise SystemExit("the server did not become ready")


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS_PER_SECOND


def resident_memory_mb(pid: int) -> float:
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def measure_idle_cpu(pid: int) -> float:
    """Return the share of a core that an idle server uses, over IDLE_SECONDS."""
    before = cpu_seconds(pid)
    time.sleep(IDLE_SECONDS)
    return (cpu_seconds(pid) - before) / IDLE_SECONDS


def insert_waiting_threads(url: str, threads: int) -> None:
    """Insert threads with an open question, each with its own deadline."""
    engine = create_database_engine(url)
    migrate(engine)
    with engine.begin() as connection:
        for first in range(0, threads, 5000):
            _insert_batch(connection, range(first, min(first + 5000, threads)))
    engine.dispose()


def _insert_batch(connection: Connection, numbers: range) -> None:
    thread_rows, event_rows = [], []
    for number in numbers:
        events, state = _build_waiting_thread(number)
        thread_rows.append(thread_to_row(state))
        event_rows += [event_to_row(state.thread_id, seq, event) for seq, event in enumerate(events, 1)]
    connection.execute(insert(ThreadRow), thread_rows)
    connection.execute(insert(EventRow), event_rows)


def _build_waiting_thread(number: int) -> tuple[list[ThreadStarted | MessageReceived], ThreadState]:
    now, alice, terminal = (
        datetime.now(UTC) + timedelta(seconds=number),
        person_address("alice"),
        Address("terminal:alice"),
    )
    name = f"thr_{number:08}"
    started = ThreadStarted(at=now, actor=alice, thread_id=name, agent="deploy", origin=terminal, requester=alice)
    received = MessageReceived(at=now, actor=alice, text="hello", source=terminal)
    state = fold(ThreadState(), [started, received])
    stamp = EventStamp(now=now, new_id=f"{number:08}", new_code=f"{number:08}")
    return [started, received], fold(state, [question_request(state, RequestHumanInput(question="Well?"), stamp)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--threads", type=int, default=100_000)
    options = parser.parse_args()
    print(f"handrail --help               {measure_help():8.2f} s")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with running_server(folder) as (_, first_start_seconds):
            print(f"up, ready on first start      {first_start_seconds:8.2f} s")
        with running_server(folder) as (pid, start_seconds):
            print(f"up, ready                     {start_seconds:8.2f} s")
            print(f"idle                          {measure_idle_cpu(pid):8.2%} of a core")
            print(f"resident                      {resident_memory_mb(pid):8.0f} MB")
        insert_waiting_threads(f"sqlite:///{folder / '.handrail' / 'handrail.db'}", options.threads)
        with running_server(folder) as (pid, start_seconds):
            print(f"up with {options.threads} waiting     {start_seconds:8.2f} s")
            print(f"idle with them                {measure_idle_cpu(pid):8.2%} of a core")


if __name__ == "__main__":
    main()
