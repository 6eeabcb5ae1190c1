"""A client as they should be: it names what it sends, and sends it again until it is answered."""

import json
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from typing import Any

from tests.crashes.nursery import until
from tests.crashes.scene import Scene
from tests.crashes.world import TOKENS

TRY_AGAIN = 503
Json = Any


@dataclass(frozen=True)
class Reply:
    """What came back; `replayed` when it was said before."""

    status: int
    body: Json
    replayed: bool = False


class Over(Exception):
    """The scene ended while the client was still trying."""


@dataclass
class Client:
    """One person's program. What it is answered goes into the ledger of answers, together with what it had said."""

    scene: Scene
    name: str
    sent: int = field(default=0)

    def post(self, path: str, body: Json, key: str) -> Reply:
        """The answer, however often it takes to get one."""
        reply = self._answered("POST", path, body, key)
        told = reply.body if isinstance(reply.body, dict) else {}
        self.scene.ledgers.answers.enter(
            by=self.name, path=path, key=key, body=body, status=reply.status, replayed=reply.replayed, id=told.get("id")
        )
        return reply

    def get(self, path: str) -> Json:
        return self._answered("GET", path, None, None).body

    def _answered(self, method: str, path: str, body: Json, key: str | None) -> Reply:
        replies: list[Reply] = []

        def tried() -> bool:
            if self.scene.over.is_set():
                raise Over
            port = self.scene.port
            reply = None if port is None else self._try(port, method, path, body, key)
            if reply is not None and reply.status != TRY_AGAIN:
                replies.append(reply)
            return bool(replies)

        until(tried, lambda: f"{method} {path} was never answered: {self.scene.said}")
        return replies[0]

    def _try(self, port: int, method: str, path: str, body: Json, key: str | None) -> Reply | None:
        """One attempt; None when no answer came, or not all of it."""
        headers = {"Authorization": f"Bearer {TOKENS[self.name]}", "Content-Type": "application/json"}
        if key is not None:
            headers["Idempotency-Key"] = key
        connection = HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            told = json.loads(answer.read())
        except (OSError, HTTPException, ValueError):
            return None
        finally:
            connection.close()
        return Reply(answer.status, told, answer.headers.get("Idempotency-Replayed") == "true")
