"""Workers as people run them, on PostgreSQL and with default settings: whatever becomes of one, another goes on.

The tool is the deploy agent's own. The first push waits in a hook of the remote until the test lets it in, so that
its worker can be killed, frozen or stopped in the middle of it.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import httpx
import pytest
from sqlalchemy import Connection, text

from agents.deploy.sample import ensure_sample_remote
from agents.events import Event, ToolStarted
from agents.state import ThreadState
from storage.database import create_database_engine
from storage.event_store import events_after, load_uncached
from tests.bot.cli.cli_harness import CliFolder, InteractiveProcess
from tests.crashes.process_pool import wait_until
from tests.databases import create_postgres_database, drop_if_shared_server

T = TypeVar("T")

PROMISED = 15.0
"""Seconds within which another worker has what a dead one had."""
PROMISED_END = 10.0
"""Seconds within which a process that was asked to stop has stopped."""
SOON = 5.0
"""Seconds in which no worker is given up for dead: what others have by then was given to them."""

READY, DOOR = "takes jobs of", "Handrail is at "
PUSHES, PUSHED = '"tool": "push_release_tag", "attempt"', '"tool": "push_release_tag", "outcome"'
GIVEN_UP = "jobs_taken_over"
ONE_RELEASE = ["refs/notes/releases", "refs/tags/production"]


@dataclass(frozen=True)
class GatedRemote:
    """The repository everybody deploys to. Its hooks keep a ledger of who came to push and of what was moved."""

    folder: Path

    def close_gate(self) -> None:
        """Whoever pushes now waits."""
        os.mkfifo(self.folder / "gate")
        self._hook("pre-receive", "echo >> pushes; [ ! -p gate ] || read -r _ < gate")
        self._hook("post-receive", "cat >> moves")

    def open_gate_for_new_pushes(self) -> None:
        """Whoever waits waits on; those who come now do not."""
        (self.folder / "gate").rename(self.folder / "old gate")

    def lets_the_first_in(self) -> None:
        (self.folder / "old gate").write_text("go on\n")

    @property
    def pushes(self) -> int:
        return len(self._ledger("pushes"))

    @property
    def moves(self) -> list[str]:
        """What was moved, each time it was."""
        return sorted(line.split()[2] for line in self._ledger("moves"))

    def _ledger(self, name: str) -> list[str]:
        file = self.folder / name
        return file.read_text().splitlines() if file.exists() else []

    def _hook(self, name: str, script: str) -> None:
        file = self.folder / "hooks" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)


@dataclass(frozen=True)
class WebClient:
    """Somebody at the web server."""

    client: httpx.Client

    def start_thread(self, text: str) -> str:
        """Open a thread; returns it."""
        return str(self._post("/v1/threads", message=text, reply_to="terminal:you")["id"])

    def approve(self, code: str) -> None:
        self._post(f"/v1/requests/{code}/answer", decision="approve")

    def _post(self, path: str, **body: str) -> dict[str, object]:
        told = self.client.post(path, json=body).raise_for_status().json()
        assert isinstance(told, dict)
        return told


@dataclass
class WorkerDeployment:
    """A web server and two workers with a database, and what can be seen of a thread there."""

    url: str
    you: WebClient
    workers: list[InteractiveProcess]
    thread: str = ""

    def start_approved_call(self, text: str) -> None:
        """Somebody says it, and approves what is asked then."""
        self.thread = self.you.start_thread(text)
        wait_until(lambda: self.state.open_request, self.events)
        assert self.state.open_request is not None
        self.you.approve(self.state.open_request.code)

    def events(self) -> list[Event]:
        return self.query(lambda connection: [event for _, event in events_after(connection, self.thread)])

    @property
    def state(self) -> ThreadState:
        return self.query(lambda connection: load_uncached(connection, self.thread))

    @property
    def attempts(self) -> list[int]:
        """Of the call that was started last."""
        started = [event for event in self.events() if isinstance(event, ToolStarted)]
        return [event.attempt for event in started if event.call_id == started[-1].call_id]

    def is_taken_over(self, within: float) -> None:
        begun = time.monotonic()
        wait_until(lambda: self.attempts == [1, 2], self.events, within)
        print(f"taken over after {time.monotonic() - begun:.1f} s")  # noqa: T201 - of interest with -s

    def comes_to_rest(self) -> None:
        wait_until(lambda: self.state.status == "done" and not self.state.pending_messages, self.events)

    def query(self, look: Callable[[Connection], T]) -> T:
        engine = create_database_engine(self.url)
        with engine.begin() as connection:
            found = look(connection)
        engine.dispose()
        return found


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    made = create_postgres_database(tmp_path_factory.mktemp("database"))
    yield made
    drop_if_shared_server(made)


@pytest.fixture(scope="module")
def you(tmp_path_factory: pytest.TempPathFactory, url: str) -> Iterator[WebClient]:
    """One web server for all tests: nothing happens to it."""
    folder = CliFolder(tmp_path_factory.mktemp("web"), {"DATABASE_URL": url})
    with folder.start("web", "--port", "0") as web:
        address = web.wait_for_output(DOOR).partition(DOOR)[2].split()[0]
        token = (folder.path / ".handrail" / "api-token").read_text().strip()
        with httpx.Client(base_url=address, headers={"Authorization": f"Bearer {token}"}, trust_env=False) as client:
            yield WebClient(client)


@pytest.fixture
def remote(tmp_path: Path) -> GatedRemote:
    made = GatedRemote(ensure_sample_remote(tmp_path / "sample", {}))
    made.close_gate()
    return made


@pytest.fixture
def deployment(tmp_path: Path, url: str, you: WebClient, remote: GatedRemote) -> Iterator[WorkerDeployment]:
    """Two workers in one folder, as a Procfile starts them."""
    place = CliFolder(tmp_path, {"DATABASE_URL": url, "DEPLOY_REPO": str(remote.folder)})
    with place.start("worker") as one, place.start("worker") as two:
        workers = [one, two]
        for worker in workers:
            worker.wait_for_output(READY)
        running = WorkerDeployment(url, you, workers)
        yield running
    running.query(nobody_is_at_anything)


def nobody_is_at_anything(connection: Connection) -> None:
    """The next test's workers would take over what those of this one were at."""
    connection.execute(text("DELETE FROM procrastinate_jobs"))


def hears(worker: InteractiveProcess) -> str:
    """All that it has said up to now."""
    worker.read_more(timeout_seconds=0)
    return worker.output


@pytest.fixture
def first(deployment: WorkerDeployment, remote: GatedRemote) -> InteractiveProcess:
    """The worker that is in the middle of a push; others may push now."""
    deployment.start_approved_call("deploy v1.4.0 to production")
    wait_until(lambda: remote.pushes == 1, deployment.events)
    remote.open_gate_for_new_pushes()
    wait_until(lambda: any(PUSHES in hears(worker) for worker in deployment.workers), deployment.events)
    return next(worker for worker in deployment.workers if PUSHES in worker.output)


@pytest.fixture
def second(deployment: WorkerDeployment, first: InteractiveProcess) -> InteractiveProcess:
    """The other worker."""
    (other,) = (worker for worker in deployment.workers if worker is not first)
    return other


def test_what_a_killed_worker_was_at_another_one_has_within_fifteen_seconds(deployment, first, second, remote):
    first.stop(signal.SIGKILL)
    deployment.is_taken_over(within=PROMISED)
    deployment.comes_to_rest()
    assert GIVEN_UP in second.wait_for_output(PUSHED)
    remote.lets_the_first_in()  # what the dead one had sent is still on its way
    wait_until(lambda: remote.moves == ONE_RELEASE, lambda: remote.moves)


def test_a_frozen_worker_that_goes_on_after_all_changes_nothing_and_serves_again(deployment, first, second, remote):
    first.process.send_signal(signal.SIGSTOP)
    deployment.is_taken_over(within=PROMISED)
    deployment.comes_to_rest()
    before = deployment.events()
    deployment.query(forget_the_silent)
    first.process.send_signal(signal.SIGCONT)
    remote.lets_the_first_in()
    first.wait_for_output(PUSHED)
    assert deployment.events() == before
    assert remote.moves == ONE_RELEASE
    second.stop(signal.SIGKILL)
    deployment.start_approved_call("roll back production")
    deployment.comes_to_rest()
    assert deployment.attempts == [1]


def forget_the_silent(connection: Connection) -> None:
    """What is done to a worker that is silent for a minute."""
    silent = "DELETE FROM procrastinate_workers WHERE last_heartbeat < now() - interval '5 seconds'"
    assert connection.execute(text(silent)).rowcount > 0


def test_a_worker_that_is_asked_to_stop_in_the_middle_gives_back_what_it_is_at(deployment, first, second, remote):
    first.process.send_signal(signal.SIGTERM)
    assert first.process.wait(PROMISED_END) == 0
    deployment.is_taken_over(within=SOON)
    deployment.comes_to_rest()
    assert GIVEN_UP not in second.wait_for_output(PUSHED)
    remote.lets_the_first_in()
    assert remote.moves == ONE_RELEASE
