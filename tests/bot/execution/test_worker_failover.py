"""Failover of real worker processes, on PostgreSQL and with default settings: another worker continues the work.

The tool is that of the deploy agent. The first push waits in a hook of the remote until the test releases it, so that
its worker can be killed, suspended or stopped during the push.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import httpx2
import pytest
from sqlalchemy import Connection, text

from agents.core.events import Event, ToolStarted
from agents.core.state import ThreadState
from agents.deploy.sample import ensure_sample_remote
from storage.database.database import create_database_engine
from storage.event_store import events_after, load_uncached
from tests.crashes.process_pool import wait_until
from tests.databases import create_postgres_database, drop_if_server_outlives_tests
from tests.harness.cli import CliFolder, InteractiveProcess
from tests.harness.time_limits import WAIT_TIMEOUT_SECONDS, promised_seconds
from tests.slow_cases import slow

T = TypeVar("T")

TAKEOVER_SECONDS = 15.0
"""Promised time within which another worker takes over the work of a dead one."""
SHUTDOWN_SECONDS = 10.0
"""Promised time within which a process stops after SIGTERM."""
HANDOVER_SECONDS = 5.0
"""Less than the time after which a worker counts as dead: work that moves this fast was handed over by its worker."""

READY_TEXT, WEB_ADDRESS_TEXT = "takes jobs of", "Handrail is at "
PUSH_STARTED, PUSH_FINISHED = '"tool": "push_release_tag", "attempt"', '"tool": "push_release_tag", "outcome"'
JOBS_TAKEN_OVER = "jobs_taken_over"
REFS_OF_ONE_RELEASE = ["refs/notes/releases", "refs/tags/production"]


@dataclass(frozen=True)
class GatedRemote:
    """Remote repository whose hooks can block pushes, and record each push and each moved ref."""

    folder: Path

    def close_gate(self) -> None:
        """Block the pushes that start from now on."""
        os.mkfifo(self.folder / "gate")
        self._write_hook("pre-receive", "echo >> pushes; [ ! -p gate ] || read -r _ < gate")
        self._write_hook("post-receive", "cat >> moves")

    def open_gate_for_new_pushes(self) -> None:
        """Let new pushes pass. A push that is blocked stays blocked."""
        (self.folder / "gate").rename(self.folder / "old gate")

    def release_blocked_push(self) -> None:
        (self.folder / "old gate").write_text("go on\n")

    @property
    def push_count(self) -> int:
        return len(self._read_lines("pushes"))

    @property
    def moved_refs(self) -> list[str]:
        """Name of the ref of each move, sorted."""
        return sorted(line.split()[2] for line in self._read_lines("moves"))

    def _read_lines(self, name: str) -> list[str]:
        file = self.folder / name
        return file.read_text().splitlines() if file.exists() else []

    def _write_hook(self, name: str, script: str) -> None:
        file = self.folder / "hooks" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)


@dataclass(frozen=True)
class WebClient:
    """A person who uses the REST API."""

    client: httpx2.Client

    def start_thread(self, text: str) -> str:
        """Open a thread and return its id."""
        return str(self._post("/v1/threads", message=text, reply_to="terminal:you")["id"])

    def approve(self, code: str) -> None:
        self._post(f"/v1/requests/{code}/answer", decision="approve")

    def _post(self, path: str, **body: str) -> dict[str, object]:
        response = self.client.post(path, json=body).raise_for_status().json()
        assert isinstance(response, dict)
        return response


@dataclass
class WorkerDeployment:
    """A web server and two workers with a database, and the state of one thread in it."""

    url: str
    web_client: WebClient
    workers: list[InteractiveProcess]
    thread_id: str = ""

    def start_approved_call(self, text: str) -> None:
        """Start a thread with a message and approve the call that the agent proposes."""
        self.thread_id = self.web_client.start_thread(text)
        wait_until(lambda: self.state.open_request, self.events)
        assert self.state.open_request is not None
        self.web_client.approve(self.state.open_request.code)

    def events(self) -> list[Event]:
        return self.query(lambda connection: [event for _, event in events_after(connection, self.thread_id)])

    @property
    def state(self) -> ThreadState:
        return self.query(lambda connection: load_uncached(connection, self.thread_id))

    @property
    def attempts(self) -> list[int]:
        """Attempts of the call that was started last."""
        started = [event for event in self.events() if isinstance(event, ToolStarted)]
        return [event.attempt for event in started if event.call_id == started[-1].call_id]

    def wait_until_taken_over(self, timeout_seconds: float) -> None:
        started_at = time.monotonic()
        wait_until(lambda: self.attempts == [1, 2], self.events, timeout_seconds)
        print(f"taken over after {time.monotonic() - started_at:.1f} s")  # noqa: T201 - shown with -s

    def wait_until_done(self) -> None:
        wait_until(lambda: self.state.status == "done" and not self.state.pending_messages, self.events)

    def query(self, function: Callable[[Connection], T]) -> T:
        engine = create_database_engine(self.url)
        with engine.begin() as connection:
            result = function(connection)
        engine.dispose()
        return result


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    database_url = create_postgres_database(tmp_path_factory.mktemp("database"))
    yield database_url
    drop_if_server_outlives_tests(database_url)


@pytest.fixture(scope="module")
def web_client(tmp_path_factory: pytest.TempPathFactory, url: str) -> Iterator[WebClient]:
    """Client of a web server that all tests share; no test stops it."""
    folder = CliFolder(tmp_path_factory.mktemp("web"), {"DATABASE_URL": url})
    with folder.start("web", "--port", "0") as web:
        address = web.wait_for_output(WEB_ADDRESS_TEXT).partition(WEB_ADDRESS_TEXT)[2].split()[0]
        token = (folder.path / ".handrail" / "api-token").read_text().strip()
        headers = {"Authorization": f"Bearer {token}"}
        with httpx2.Client(base_url=address, headers=headers, timeout=WAIT_TIMEOUT_SECONDS, trust_env=False) as client:
            yield WebClient(client)


@pytest.fixture
def remote(tmp_path: Path) -> GatedRemote:
    gated = GatedRemote(ensure_sample_remote(tmp_path / "sample", {}))
    gated.close_gate()
    return gated


@pytest.fixture
def deployment(tmp_path: Path, url: str, web_client: WebClient, remote: GatedRemote) -> Iterator[WorkerDeployment]:
    """Two workers in one folder, as a Procfile starts them."""
    folder = CliFolder(tmp_path, {"DATABASE_URL": url, "DEPLOY_REPO": str(remote.folder)})
    with folder.start("worker") as one, folder.start("worker") as two:
        workers = [one, two]
        for worker in workers:
            worker.wait_for_output(READY_TEXT)
        deployment = WorkerDeployment(url, web_client, workers)
        yield deployment
    deployment.query(delete_jobs)


def delete_jobs(connection: Connection) -> None:
    """Delete unfinished jobs, which the workers of the next test would take over."""
    connection.execute(text("DELETE FROM procrastinate_jobs"))


def read_output(worker: InteractiveProcess) -> str:
    """Return all output of the worker up to now."""
    worker.read_more(timeout_seconds=0)
    return worker.output


@pytest.fixture
def pushing_worker(deployment: WorkerDeployment, remote: GatedRemote) -> InteractiveProcess:
    """The worker whose push is blocked; new pushes are not."""
    deployment.start_approved_call("deploy v1.4.0 to production")
    wait_until(lambda: remote.push_count == 1, deployment.events)
    remote.open_gate_for_new_pushes()
    wait_until(lambda: any(PUSH_STARTED in read_output(worker) for worker in deployment.workers), deployment.events)
    return next(worker for worker in deployment.workers if PUSH_STARTED in worker.output)


@pytest.fixture
def other_worker(deployment: WorkerDeployment, pushing_worker: InteractiveProcess) -> InteractiveProcess:
    """The other worker."""
    (other,) = (worker for worker in deployment.workers if worker is not pushing_worker)
    return other


def test_work_of_a_killed_worker_is_taken_over_within_fifteen_seconds(deployment, pushing_worker, other_worker, remote):
    pushing_worker.stop(signal.SIGKILL)
    deployment.wait_until_taken_over(promised_seconds(TAKEOVER_SECONDS))
    deployment.wait_until_done()
    assert JOBS_TAKEN_OVER in other_worker.wait_for_output(PUSH_FINISHED)
    remote.release_blocked_push()  # the push of the killed worker is still in progress
    wait_until(lambda: remote.moved_refs == REFS_OF_ONE_RELEASE, lambda: remote.moved_refs)


@slow  # tests/crashes/test_failover.py suspends a worker, too, with a short heartbeat timeout
def test_resumed_worker_does_not_overwrite_the_worker_that_took_over(deployment, pushing_worker, other_worker, remote):
    pushing_worker.process.send_signal(signal.SIGSTOP)
    deployment.wait_until_taken_over(promised_seconds(TAKEOVER_SECONDS))
    deployment.wait_until_done()
    events = deployment.events()
    deployment.query(delete_stale_workers)
    pushing_worker.process.send_signal(signal.SIGCONT)
    remote.release_blocked_push()
    pushing_worker.wait_for_output(PUSH_FINISHED)
    assert deployment.events() == events
    assert remote.moved_refs == REFS_OF_ONE_RELEASE
    other_worker.stop(signal.SIGKILL)
    deployment.start_approved_call("roll back production")
    deployment.wait_until_done()
    assert deployment.attempts == [1]


def delete_stale_workers(connection: Connection) -> None:
    """Delete the rows of workers without a heartbeat, as Procrastinate does after a minute."""
    statement = "DELETE FROM procrastinate_workers WHERE last_heartbeat < now() - interval '5 seconds'"
    assert connection.execute(text(statement)).rowcount > 0


def test_stopped_worker_hands_over_its_work(deployment, pushing_worker, other_worker, remote):
    pushing_worker.process.send_signal(signal.SIGTERM)
    assert pushing_worker.process.wait(promised_seconds(SHUTDOWN_SECONDS)) == 0
    deployment.wait_until_taken_over(promised_seconds(HANDOVER_SECONDS))
    deployment.wait_until_done()
    assert JOBS_TAKEN_OVER not in other_worker.wait_for_output(PUSH_FINISHED)
    remote.release_blocked_push()
    assert remote.moved_refs == REFS_OF_ONE_RELEASE
