"""Crash scenario: a database, the journals, and the processes of a bot, which are started, killed and restarted."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGCONT, SIGKILL, Signals
from typing import Any

import pytest

from storage.database.postgres import is_postgres
from storage.jobs.recovery import HEARTBEAT_TIMEOUT_SECONDS
from tests.crashes.database_admin import database_admin
from tests.crashes.journals import Journals
from tests.crashes.kill_points import KillPoint
from tests.crashes.process_pool import PooledProcess, ProcessPool, wait_until
from tests.crashes.snapshot import SystemSnapshot, count_events, snapshot_connection, unfinished_thread_ids
from tests.databases import DATABASES
from tests.harness.time_limits import WAIT_TIMEOUT_SECONDS
from tests.slow_cases import slow_unless

PROCESS_LAYOUTS: Mapping[str, tuple[str, ...]] = {
    "one process": ("up",),
    "web, two workers, clock": ("web", "worker", "worker", "clock"),
}
"""Process layouts of a bot, as the roles of its processes."""
SINGLE_PROCESS_DATABASES = ("sqlite",)
"""Databases that allow one process only."""

DEPLOYMENTS: Sequence[tuple[str, str]] = [
    (database, layout)
    for layout, roles in PROCESS_LAYOUTS.items()
    for database in DATABASES
    if len(roles) == 1 or database not in SINGLE_PROCESS_DATABASES
]
"""All deployments of crash tests: each database with each process layout it allows."""
SINGLE_PROCESS_DEPLOYMENTS = [deployment for deployment in DEPLOYMENTS if len(PROCESS_LAYOUTS[deployment[1]]) == 1]
MULTI_PROCESS_DEPLOYMENTS = [deployment for deployment in DEPLOYMENTS if deployment not in SINGLE_PROCESS_DEPLOYMENTS]


def deployment_id(deployment: tuple[str, str]) -> str:
    """Return the id of a deployment in test names."""
    database, layout = deployment
    return f"{layout} on {database}"


def quick_on(database: str) -> pytest.MarkDecorator:
    """Parametrize a test with each database. The test is slow on all but this one."""
    parameters = slow_unless(lambda deployment: deployment[0] == database, SINGLE_PROCESS_DEPLOYMENTS)
    return pytest.mark.parametrize("scenario", parameters, ids=deployment_id, indirect=True)


multi_process = pytest.mark.parametrize("scenario", MULTI_PROCESS_DEPLOYMENTS, ids=deployment_id, indirect=True)
"""Parametrizes a test that needs several processes."""

SHORT_HEARTBEAT_TIMEOUT_SECONDS = 2.0
"""Heartbeat timeout of tests that wait for it; the heartbeat interval is 0.2 s."""


@dataclass
class CrashScenario:
    """A database, its journals and the processes of one bot."""

    process_pool: ProcessPool
    url: str
    folder: Path
    roles: tuple[str, ...] = PROCESS_LAYOUTS["one process"]
    processes: list[PooledProcess] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)
    heartbeat_timeout_seconds: float = HEARTBEAT_TIMEOUT_SECONDS

    @property
    def has_job_queue(self) -> bool:
        """Return whether jobs are kept in the database and any process may take them."""
        return is_postgres(self.url)

    @property
    def journals(self) -> Journals:
        return Journals(self.folder)

    def start(self, kill_point: str = "", occurrence: int = 1, **options: Any) -> None:
        """Start all processes and wait until they are ready. The first to reach the kill point is killed there."""
        self.start_without_waiting(kill_point, occurrence, **options)
        for process in self.processes:
            process.wait_until_ready()

    def start_without_waiting(
        self,
        kill_point: str = "",
        occurrence: int = 1,
        *,
        flags: Sequence[str] = (),
        clock_offset_seconds: float = 0.0,
        **options: object,
    ) -> None:
        """Start all processes without waiting. `flags` and `options` are further options of `tests.crashes.process`."""
        database_admin(self.url).forget_workers(self.url, clock_offset_seconds)
        arguments = [
            f"--kill-point={kill_point}",
            f"--occurrence={occurrence}",
            f"--clock-offset={clock_offset_seconds}",
            *flags,
        ]
        arguments += [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
        self.processes = [self.start_process(role, *arguments) for role in self.roles]

    def kill_one(self, index: int) -> None:
        """Send SIGKILL to one process; the others continue."""
        self.processes[index].send_signal(SIGKILL)
        self.processes[index].wait()
        assert self.processes[index].was_killed, self.log_tail

    def replace_process(self, index: int, kill_point: str, occurrence: int) -> None:
        """Start a new process in place of an ended one, without waiting."""
        self.processes[index] = self.start_process(
            self.roles[index], f"--kill-point={kill_point}", f"--occurrence={occurrence}"
        )

    def start_process(self, role: str, *flags: str) -> PooledProcess:
        arguments = [
            f"--url={self.url}",
            f"--folder={self.folder}",
            f"--role={role}",
            f"--heartbeat-timeout={self.heartbeat_timeout_seconds}",
        ]
        arguments += flags
        return self.process_pool.start(arguments, self.folder / "processes.log")

    def wait_for_kill(self, kill_point: str, occurrence: int = 1) -> None:
        """Wait until a process was killed at the kill point, then kill the others."""
        wait_until(lambda: self.has_exited_process, lambda: f"no process was killed at {kill_point!r}: {self.log_tail}")
        assert self.was_reached(kill_point, occurrence), f"killed, but not at {kill_point!r}"
        self.kill()
        assert any(process.was_killed for process in self.processes)

    def was_reached(self, kill_point: str, occurrence: int = 1) -> bool:
        return KillPoint(self.folder, kill_point, occurrence).marker.exists()

    def kill(self) -> None:
        """Send SIGKILL to all processes."""
        for process in self.processes:
            process.send_signal(SIGKILL)
        for process in self.processes:
            process.wait()

    def resume(self) -> None:
        """Send SIGCONT to all processes."""
        for process in self.processes:
            process.send_signal(SIGCONT)

    def send_signal(self, signal_number: Signals) -> None:
        for process in self.processes:
            process.send_signal(signal_number)

    @property
    def has_exited_process(self) -> bool:
        return any(process.ended.is_set() for process in self.processes)

    @property
    def port(self) -> int | None:
        """Return the port of a process that serves now, None if there is none."""
        return next((p.port for p in self.processes if p.port is not None and not p.ended.is_set()), None)

    @property
    def log_tail(self) -> str:
        log = self.folder / "processes.log"
        return log.read_text(encoding="utf-8")[-4000:] if log.exists() else ""

    def take_snapshot(self, earlier: SystemSnapshot | None = None) -> SystemSnapshot:
        return SystemSnapshot.take(self.url, self.journals, earlier)

    def wait_for_events(self, event_type: str, times: int = 1) -> None:
        """Wait until the logs hold that many events of a type."""
        with snapshot_connection(self.url) as connection:
            wait_until(
                lambda: count_events(connection, event_type) >= times, lambda: f"no {event_type}: {self.log_tail}"
            )

    def wait_until_idle(self, timeout_seconds: float = WAIT_TIMEOUT_SECONDS) -> None:
        """Wait until no thread is unfinished and the outbox is empty."""
        with snapshot_connection(self.url) as connection:
            wait_until(
                lambda: not unfinished_thread_ids(connection),
                lambda: f"unfinished: {unfinished_thread_ids(connection)}\n{self.log_tail}",
                timeout_seconds,
            )
