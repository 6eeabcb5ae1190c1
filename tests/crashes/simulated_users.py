"""Simulated users of a scenario: requesters who open threads, and responders who answer open requests."""

import random
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Self

from tests.crashes.process_pool import wait_until
from tests.crashes.retrying_client import HttpResponse, RetryingClient, ScenarioEnded
from tests.crashes.scenario import CrashScenario
from tests.harness.time_limits import WAIT_TIMEOUT_SECONDS

Json = Any
CONFLICT = 409
FINAL_STATUSES = ("done", "cancelled")


@dataclass
class Requester:
    """A person who opens threads and posts messages. Replies go to the pager of that name, in order."""

    client: RetryingClient
    key_prefix: str = ""
    pager: str = ""
    key_numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def start_thread(self, text: str, agent: str = "crew") -> str:
        """Open a thread and return its id."""
        body = {"message": text, "agent": agent, "reply_to": f"pager:{self.pager or self.client.name}"}
        reply = self.client.post("/v1/threads", body, self._next_key())
        assert reply.status == 201, reply
        thread: str = reply.body["id"]
        return thread

    def post_message(self, thread_id: str, text: str) -> None:
        reply = self.client.post(f"/v1/threads/{thread_id}/messages", {"text": text}, self._next_key())
        assert reply.status in (202, CONFLICT), reply

    def cancel(self, thread_id: str) -> None:
        """Cancel the thread, unless it has ended already."""
        reply = self.client.post(f"/v1/threads/{thread_id}/cancel", None, self._next_key())
        assert reply.status in (200, CONFLICT), reply

    def wait_until_finished(self, thread_id: str) -> None:
        """Wait until the thread is done or cancelled."""
        wait_until(
            lambda: self.client.get(f"/v1/threads/{thread_id}")["status"] in FINAL_STATUSES,
            lambda: f"{thread_id} does not end",
        )

    def _next_key(self) -> str:
        return f"{self.client.name}{self.key_prefix}-{next(self.key_numbers)}"


@dataclass
class Responder:
    """A person who answers all open requests, up to `concurrency` at a time.

    Questions about the outcome of a call are answered from the journal of side effects.
    """

    client: RetryingClient
    should_approve: Callable[[Json], bool] = lambda _request: True
    responses: dict[str, HttpResponse] = field(default_factory=dict)
    concurrency: int = 1

    def answer_open_requests(self) -> None:
        """Answer all open requests that this person has not answered yet."""
        requests = self.client.get("/v1/requests?status=open&limit=100")["requests"]
        new = [request for request in requests if request["id"] not in self.responses]
        with ThreadPoolExecutor(self.concurrency, thread_name_prefix="answers") as pool:
            list(pool.map(self.answer_request, new))

    def answer_request(self, request: Json) -> HttpResponse:
        client = self._client_for(request)
        reply = client.post(
            f"/v1/requests/{request['code']}/answer", self._answer_body(request), f"{self.client.name}-{request['id']}"
        )
        assert reply.status in (200, CONFLICT), reply
        self.responses[request["id"]] = reply
        return reply

    def _client_for(self, request: Json) -> RetryingClient:
        """Return alice's client for questions of the agent: the person who answers one may not approve what follows."""
        is_agent_question = request["kind"] == "question" and not request.get("choices")
        return RetryingClient(self.client.scenario, "alice") if is_agent_question else self.client

    def _answer_body(self, request: Json) -> Json:
        if request["kind"] == "approval":
            return {
                "decision": "approve" if self.should_approve(request) else "deny",
                "comment": f"by {self.client.name}",
            }
        return {"decision": "answer", "text": self._outcome_answer(request) if request.get("choices") else "Fine."}

    def _outcome_answer(self, request: Json) -> str:
        """Return the answer to a question about the outcome of a call: it ran, or may be run again."""
        events = self.client.get(f"/v1/threads/{request['thread_id']}/events")["events"]
        call = next(e["data"]["call_id"] for e in reversed(events) if e["type"] == "ToolOutcomeUnknown")
        key = f"{request['thread_id']}:{call}"
        has_run = any(effect["key"] == key for effect in self.client.scenario.journals.side_effects.read_entries())
        return "ran" if has_run else "run again"


TASKS: Mapping[str, tuple[str, str]] = {
    "read": ("look", "crew"),
    "idempotent": ("ship", "crew"),
    "verifiable": ("move", "crew"),
    "once": ("pay", "crew"),
    "failing": ("stumble", "crew"),
    "question": ("ask", "crew"),
    "prefetch": ("look", "scout"),
    "timer": ("wait 1 for", "crew"),
}
"""Tasks by name: the command, and the agent that gets it."""


def random_task(random_source: random.Random) -> tuple[str, str]:
    """Return a random task; slow ones are less likely."""
    return random_source.choices(list(TASKS.values()), weights=[3, 4, 3, 4, 1, 2, 1, 1])[0]


def requester_and_responder(scenario: CrashScenario, key_prefix: str = "") -> tuple[Requester, Responder]:
    """Return Alice, who requests, and Bob, who answers. `key_prefix` keeps idempotency keys of rounds apart."""
    scenario.ended.clear()
    return Requester(RetryingClient(scenario, "alice"), key_prefix), Responder(RetryingClient(scenario, "bob"))


class ConcurrentUsers:
    """Users who work concurrently, each in an OS thread. Responders continue until the scenario is idle."""

    def __init__(self, scenario: CrashScenario, *responders: Responder) -> None:
        self.scenario = scenario
        self._pool = ThreadPoolExecutor(16, thread_name_prefix="users")
        self._tasks: list[Future[object]] = []
        self._stop_requested, self._is_idle = threading.Event(), threading.Event()
        self._responder_tasks = [self._pool.submit(self._run_responder, responder) for responder in responders]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._is_idle.set()
        self.scenario.ended.set()
        self._pool.shutdown()

    def start_task(self, task: Callable[[], object]) -> None:
        """Run a task concurrently with all others."""
        self._tasks.append(self._pool.submit(task))

    def add_responder(self, responder: Responder) -> None:
        """Let one more responder answer from now on."""
        self._responder_tasks.append(self._pool.submit(self._run_responder, responder))

    def is_stopping(self) -> bool:
        """Return whether no new task may be started."""
        return self._stop_requested.is_set()

    def wait_until_idle(self, timeout_seconds: float = WAIT_TIMEOUT_SECONDS) -> None:
        """Wait until all tasks have ended, no work is left, and the responders have returned."""
        self._stop_requested.set()
        for started_task in self._tasks:
            started_task.result(timeout_seconds)
        self.scenario.wait_until_idle(timeout_seconds)
        self._is_idle.set()
        for responder_task in self._responder_tasks:
            responder_task.result(WAIT_TIMEOUT_SECONDS)

    def _run_responder(self, responder: Responder) -> None:
        with suppress(ScenarioEnded):
            while not self._is_idle.is_set():
                responder.answer_open_requests()
                self._is_idle.wait(0.01)


def task_function(task: str, requester: Requester, order: str = "1") -> Callable[[], None]:
    """Return a function with which the requester starts the task. In "two messages" the second changes the first."""

    def post_two_messages() -> None:
        requester.post_message(requester.start_thread(f"look {order}"), f"pay {order}")

    def start() -> None:
        command, agent = TASKS[task]
        requester.start_thread(f"{command} {order}", agent)

    return post_two_messages if task == "two messages" else start
