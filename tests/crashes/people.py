"""People in a scene: who asks for something, and who answers what is asked."""

import random
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Self

from tests.crashes.client import Client, Over, Reply
from tests.crashes.nursery import PATIENCE, until
from tests.crashes.scene import Scene

Json = Any
SETTLED = 409
OVER = ("done", "cancelled")


@dataclass
class Requester:
    """Somebody who opens threads and speaks in them. What is for one pager is sent there one after another."""

    client: Client
    series: str = ""
    pager: str = ""
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def asks(self, text: str, agent: str = "crew") -> str:
        """Open a thread; returns it."""
        body = {"message": text, "agent": agent, "reply_to": f"pager:{self.pager or self.client.name}"}
        reply = self.client.post("/v1/threads", body, self._name())
        assert reply.status == 201, reply
        thread: str = reply.body["id"]
        return thread

    def adds(self, thread: str, text: str) -> None:
        reply = self.client.post(f"/v1/threads/{thread}/messages", {"text": text}, self._name())
        assert reply.status in (202, SETTLED), reply

    def cancels(self, thread: str) -> None:
        """Unless it is over by then."""
        reply = self.client.post(f"/v1/threads/{thread}/cancel", None, self._name())
        assert reply.status in (200, SETTLED), reply

    def waits_for(self, thread: str) -> None:
        """Until everything about it is done, or it was cancelled."""
        until(lambda: self.client.get(f"/v1/threads/{thread}")["status"] in OVER, lambda: f"{thread} is never over")

    def _name(self) -> str:
        return f"{self.client.name}{self.series}-{next(self.numbers)}"


@dataclass
class Answerer:
    """Somebody who answers whatever is open, in a way of their own, so many `at_once`.

    What may have happened they look up outside.
    """

    client: Client
    approves: Callable[[Json], bool] = lambda _request: True
    answered: dict[str, Reply] = field(default_factory=dict)
    at_once: int = 1

    def looks(self) -> None:
        """Answer all that is open and was not answered yet."""
        found = self.client.get("/v1/requests?status=open&limit=100")["requests"]
        new = [request for request in found if request["id"] not in self.answered]
        with ThreadPoolExecutor(self.at_once, thread_name_prefix="answers") as pool:
            list(pool.map(self.answers, new))

    def answers(self, request: Json) -> Reply:
        client = self._client_for(request)
        reply = client.post(
            f"/v1/requests/{request['code']}/answer", self._answer(request), f"{self.client.name}-{request['id']}"
        )
        assert reply.status in (200, SETTLED), reply
        self.answered[request["id"]] = reply
        return reply

    def _client_for(self, request: Json) -> Client:
        """What the agent wants to know alice says: whoever answers it may not approve what follows in that thread."""
        asks_her = request["kind"] == "question" and not request.get("choices")
        return Client(self.client.scene, "alice") if asks_her else self.client

    def _answer(self, request: Json) -> Json:
        if request["kind"] == "approval":
            return {"decision": "approve" if self.approves(request) else "deny", "comment": f"by {self.client.name}"}
        return {"decision": "answer", "text": self._truth(request) if request.get("choices") else "Fine."}

    def _truth(self, request: Json) -> str:
        """What became of a call in doubt. One that did not happen may be started again."""
        events = self.client.get(f"/v1/threads/{request['thread_id']}/events")["events"]
        call = next(e["data"]["call_id"] for e in reversed(events) if e["type"] == "ToolOutcomeUnknown")
        key = f"{request['thread_id']}:{call}"
        done = any(deed["key"] == key for deed in self.client.scene.ledgers.deeds.entries())
        return "ran" if done else "run again"


ERRANDS: Mapping[str, tuple[str, str]] = {
    "read": ("look", "crew"),
    "idempotent": ("ship", "crew"),
    "verifiable": ("move", "crew"),
    "once": ("pay", "crew"),
    "failing": ("stumble", "crew"),
    "asking": ("ask", "crew"),
    "looking around": ("look", "scout"),
    "waiting": ("wait 1 for", "crew"),
}
"""What people want done: the words, and whom they tell."""


def any_errand(chance: random.Random) -> tuple[str, str]:
    """One of them, now and then one that takes its time."""
    return chance.choices(list(ERRANDS.values()), weights=[3, 4, 3, 4, 1, 2, 1, 1])[0]


def crew_of(scene: Scene, series: str = "") -> tuple[Requester, Answerer]:
    """Alice who asks, and Bob who answers. A series keeps what she sends apart from what she sent before."""
    scene.over.clear()
    return Requester(Client(scene, "alice"), series), Answerer(Client(scene, "bob"))


class Crew:
    """People at work in a scene, each in a thread of their own; whoever answers goes on until the scene is at rest."""

    def __init__(self, scene: Scene, *answerers: Answerer) -> None:
        self.scene = scene
        self._pool = ThreadPoolExecutor(16, thread_name_prefix="people")
        self._stories: list[Future[object]] = []
        self._enough, self._resting = threading.Event(), threading.Event()
        self._answering = [self._pool.submit(self._answer, who) for who in answerers]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._resting.set()
        self.scene.over.set()
        self._pool.shutdown()

    def has(self, story: Callable[[], object]) -> None:
        """Let somebody live through a story beside all others."""
        self._stories.append(self._pool.submit(story))

    def joined_by(self, answerer: Answerer) -> None:
        """Have somebody answer from now on."""
        self._answering.append(self._pool.submit(self._answer, answerer))

    def enough(self) -> bool:
        """Whether nothing new is to be begun."""
        return self._enough.is_set()

    def comes_to_rest(self, within: float = PATIENCE) -> None:
        """Wait until all stories are told, nothing is left to do, and whoever answers has heard the last word."""
        self._enough.set()
        for story in self._stories:
            story.result(within)
        self.scene.comes_to_rest(within)
        self._resting.set()
        for answering in self._answering:
            answering.result(PATIENCE)

    def _answer(self, who: Answerer) -> None:
        with suppress(Over):
            while not self._resting.is_set():
                who.looks()
                self._resting.wait(0.01)


def story_of(errand: str, alice: Requester, order: str = "1") -> Callable[[], None]:
    """Alice wants it done; `talking` is an errand during which she says what she really wants."""

    def talk() -> None:
        alice.adds(alice.asks(f"look {order}"), f"pay {order}")

    def ask() -> None:
        words, agent = ERRANDS[errand]
        alice.asks(f"{words} {order}", agent)

    return talk if errand == "talking" else ask
