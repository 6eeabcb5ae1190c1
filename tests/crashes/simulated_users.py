"""People in a scene: who asks for something, and who answers what is asked."""

import random
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Self

from tests.crashes.process_pool import WAIT_TIMEOUT_SECONDS, wait_until
from tests.crashes.retrying_client import HttpResponse, RetryingClient, ScenarioEnded
from tests.crashes.scenario import CrashScenario

Json = Any
CONFLICT = 409
FINAL_STATUSES = ("done", "cancelled")


@dataclass
class Requester:
    """Somebody who opens threads and speaks in them. What is for one pager is sent there one after another."""

    client: RetryingClient
    key_prefix: str = ""
    pager: str = ""
    key_numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def start_thread(self, text: str, agent: str = "crew") -> str:
        """Open a thread; returns it."""
        body = {"message": text, "agent": agent, "reply_to": f"pager:{self.pager or self.client.name}"}
        reply = self.client.post("/v1/threads", body, self._next_key())
        assert reply.status == 201, reply
        thread: str = reply.body["id"]
        return thread

    def post_message(self, thread_id: str, text: str) -> None:
        reply = self.client.post(f"/v1/threads/{thread_id}/messages", {"text": text}, self._next_key())
        assert reply.status in (202, CONFLICT), reply

    def cancel(self, thread_id: str) -> None:
        """Unless it is over by then."""
        reply = self.client.post(f"/v1/threads/{thread_id}/cancel", None, self._next_key())
        assert reply.status in (200, CONFLICT), reply

    def wait_until_finished(self, thread_id: str) -> None:
        """Until everything about it is done, or it was cancelled."""
        wait_until(
            lambda: self.client.get(f"/v1/threads/{thread_id}")["status"] in FINAL_STATUSES,
            lambda: f"{thread_id} is never over",
        )

    def _next_key(self) -> str:
        return f"{self.client.name}{self.key_prefix}-{next(self.key_numbers)}"


@dataclass
class Responder:
    """Somebody who answers whatever is open, in a way of their own, so many `at_once`.

    What may have happened they look up outside.
    """

    client: RetryingClient
    should_approve: Callable[[Json], bool] = lambda _request: True
    responses: dict[str, HttpResponse] = field(default_factory=dict)
    concurrency: int = 1

    def answer_open_requests(self) -> None:
        """Answer all that is open and was not answered yet."""
        found = self.client.get("/v1/requests?status=open&limit=100")["requests"]
        new = [request for request in found if request["id"] not in self.responses]
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
        """What the agent wants to know alice says: whoever answers it may not approve what follows in that thread."""
        asks_her = request["kind"] == "question" and not request.get("choices")
        return RetryingClient(self.client.scenario, "alice") if asks_her else self.client

    def _answer_body(self, request: Json) -> Json:
        if request["kind"] == "approval":
            return {
                "decision": "approve" if self.should_approve(request) else "deny",
                "comment": f"by {self.client.name}",
            }
        return {"decision": "answer", "text": self._outcome_answer(request) if request.get("choices") else "Fine."}

    def _outcome_answer(self, request: Json) -> str:
        """What became of a call in doubt. One that did not happen may be started again."""
        events = self.client.get(f"/v1/threads/{request['thread_id']}/events")["events"]
        call = next(e["data"]["call_id"] for e in reversed(events) if e["type"] == "ToolOutcomeUnknown")
        key = f"{request['thread_id']}:{call}"
        done = any(deed["key"] == key for deed in self.client.scenario.journals.side_effects.read_entries())
        return "ran" if done else "run again"


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
"""What people want done: the words, and whom they tell."""


def random_task(random_source: random.Random) -> tuple[str, str]:
    """One of them, now and then one that takes its time."""
    return random_source.choices(list(TASKS.values()), weights=[3, 4, 3, 4, 1, 2, 1, 1])[0]


def requester_and_responder(scenario: CrashScenario, key_prefix: str = "") -> tuple[Requester, Responder]:
    """Alice who asks, and Bob who answers. A series keeps what she sends apart from what she sent before."""
    scenario.ended.clear()
    return Requester(RetryingClient(scenario, "alice"), key_prefix), Responder(RetryingClient(scenario, "bob"))


class ConcurrentUsers:
    """People at work in a scene, each in a thread of their own; whoever answers goes on until the scene is at rest."""

    def __init__(self, scenario: CrashScenario, *responders: Responder) -> None:
        self.scenario = scenario
        self._pool = ThreadPoolExecutor(16, thread_name_prefix="people")
        self._tasks: list[Future[object]] = []
        self._stop_requested, self._is_idle = threading.Event(), threading.Event()
        self._responder_tasks = [self._pool.submit(self._run_responder, who) for who in responders]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._is_idle.set()
        self.scenario.ended.set()
        self._pool.shutdown()

    def start_task(self, task: Callable[[], object]) -> None:
        """Let somebody live through a story beside all others."""
        self._tasks.append(self._pool.submit(task))

    def add_responder(self, responder: Responder) -> None:
        """Have somebody answer from now on."""
        self._responder_tasks.append(self._pool.submit(self._run_responder, responder))

    def is_stopping(self) -> bool:
        """Whether nothing new is to be begun."""
        return self._stop_requested.is_set()

    def wait_until_idle(self, timeout_seconds: float = WAIT_TIMEOUT_SECONDS) -> None:
        """Wait until all stories are told, nothing is left to do, and whoever answers has heard the last word."""
        self._stop_requested.set()
        for story in self._tasks:
            story.result(timeout_seconds)
        self.scenario.wait_until_idle(timeout_seconds)
        self._is_idle.set()
        for answering in self._responder_tasks:
            answering.result(WAIT_TIMEOUT_SECONDS)

    def _run_responder(self, responder: Responder) -> None:
        with suppress(ScenarioEnded):
            while not self._is_idle.is_set():
                responder.answer_open_requests()
                self._is_idle.wait(0.01)


def task_function(task: str, requester: Requester, order: str = "1") -> Callable[[], None]:
    """Alice wants it done; `talking` is an errand during which she says what she really wants."""

    def talk() -> None:
        requester.post_message(requester.start_thread(f"look {order}"), f"pay {order}")

    def ask() -> None:
        words, agent = TASKS[task]
        requester.start_thread(f"{words} {order}", agent)

    return talk if task == "two messages" else ask
