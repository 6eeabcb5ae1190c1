"""HTTP client that sends an idempotency key and repeats a request until it is answered."""

import json
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import Any

from tests.crashes.process_pool import wait_until
from tests.crashes.scenario import CrashScenario
from tests.harness.people import TOKENS

SERVICE_UNAVAILABLE = 503
Json = Any


@dataclass(frozen=True)
class HttpResponse:
    """An HTTP response. `is_replayed` if it repeats the response to an earlier request with the same key."""

    status: int
    body: Json
    is_replayed: bool = False


class ScenarioEnded(Exception):
    """The scenario ended while the client was still retrying."""


@dataclass
class RetryingClient:
    """Client of one person. It writes each response, with its request, into the journal of HTTP responses."""

    scenario: CrashScenario
    name: str

    def post(self, path: str, body: Json, key: str) -> HttpResponse:
        """POST until a response arrives, and return it."""
        response = self._request_until_answered("POST", path, body, key)
        fields = response.body if isinstance(response.body, dict) else {}
        self.scenario.journals.http_responses.append(
            by=self.name,
            path=path,
            key=key,
            body=body,
            status=response.status,
            is_replayed=response.is_replayed,
            id=fields.get("id"),
        )
        return response

    def get(self, path: str) -> Json:
        return self._request_until_answered("GET", path, None, None).body

    def _request_until_answered(self, method: str, path: str, body: Json, key: str | None) -> HttpResponse:
        responses: list[HttpResponse] = []

        def try_request() -> bool:
            if self.scenario.ended.is_set():
                raise ScenarioEnded
            port = self.scenario.port
            response = None if port is None else self._request_once(port, method, path, body, key)
            if response is not None and response.status != SERVICE_UNAVAILABLE:
                responses.append(response)
            return bool(responses)

        wait_until(try_request, lambda: f"{method} {path} was not answered: {self.scenario.log_tail}")
        return responses[0]

    def _request_once(self, port: int, method: str, path: str, body: Json, key: str | None) -> HttpResponse | None:
        """Send one request. Returns None if no complete response arrives."""
        headers = {"Authorization": f"Bearer {TOKENS[self.name]}", "Content-Type": "application/json"}
        if key is not None:
            headers["Idempotency-Key"] = key
        connection = HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            content = json.loads(response.read())
        except (OSError, HTTPException, ValueError):
            return None
        finally:
            connection.close()
        return HttpResponse(response.status, content, response.headers.get("Idempotency-Replayed") == "true")
