"""People and their actions, the same on every channel. A subclass per channel implements the transport."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx2

from channels.terminal.client import LoggedEvent, TerminalClient, api_path
from tests.harness.time_limits import WAIT_TIMEOUT_SECONDS

Json = Any


@dataclass
class Card:
    """A request as one person sees it."""

    viewer: "Person"
    request: Json

    @property
    def code(self) -> str:
        code: str = self.request["code"]
        return code

    async def approve(self, **fields: Json) -> Json:
        return await self.viewer.answer_request(self, decision="approve", **fields)

    async def deny(self, comment: str) -> Json:
        return await self.viewer.answer_request(self, decision="deny", comment=comment)

    async def edit(self, **arguments: Json) -> Json:
        return await self.viewer.answer_request(
            self, decision="edit", arguments={**self.request["arguments"], **arguments}
        )

    async def answer(self, text: str) -> Json:
        return await self.viewer.answer_request(self, decision="answer", text=text)

    async def wait_for_status(self, status: str) -> Json:
        """Wait until the request and its cards have the status. Returns the request."""
        async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
            while True:
                self.request = await self.viewer.fetch_request(self)
                if self.request["status"] == status and all(c["state"] == status for c in self.request["cards"]):
                    return self.request
                assert self.request["status"] in ("open", status), self.request
                await self.viewer.pause()


class Person(ABC):
    """A person who uses a channel. `thread` is the id of the thread that they take part in."""

    def __init__(self, name: str, url: str, token: str, harness: Any) -> None:
        self.name, self.url, self.token, self.harness = name, url, token, harness
        self.thread: str | None = None
        self.seen_codes: set[str] = set()
        self._read_replies = 0

    @abstractmethod
    async def start_thread(self, text: str, agent: str | None) -> Json:
        """Open a thread and return it."""

    @abstractmethod
    async def get(self, endpoint: str, **query: Any) -> Json: ...

    @abstractmethod
    async def post(self, endpoint: str, body: Mapping[str, Any] | None = None) -> Json: ...

    @abstractmethod
    async def close(self) -> None: ...

    async def post_message(self, text: str, agent: str | None = None) -> None:
        """Post a message to their thread, or open a thread with it."""
        if self.thread is None:
            self.thread = (await self.start_thread(text, agent))["id"]
        else:
            await self.post(api_path("threads", self.thread, "messages"), {"text": text})

    async def join(self, other: "Person") -> None:
        """Post to the thread of another person from now on."""
        self.thread = other.thread
        self._read_replies = len(await self._replies())

    async def wait_for_card(self, *, approval: str | None = None, question: str | None = None) -> Card:
        """Wait for a new open request that they may decide or that belongs to their thread."""

        def matches(request: Json) -> bool:
            is_new = request["code"] not in self.seen_codes and request.get("tool") == approval
            return is_new and (question or "") in (request.get("question") or "")

        async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
            while True:
                for request in await self._open_requests():
                    if matches(request):
                        self.seen_codes.add(request["code"])
                        return Card(self, request)
                await self.pause()

    async def wait_for_reply(self, text: str) -> str:
        """Wait for the next reply in their thread, which must contain the text."""
        async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
            while len(replies := await self._replies()) <= self._read_replies:
                await self.pause()
        reply = replies[self._read_replies]
        self._read_replies += 1
        assert text in reply, reply
        return reply

    async def wait_for_status(self, status: str) -> Json:
        """Wait until their thread has the status, and return it."""
        async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
            while (thread := await self.get(api_path("threads", self.thread or "")))["status"] != status:
                await self.pause()
        return thread

    async def answer_request(self, card: Card, **answer: Json) -> Json:
        return await self.post(api_path("requests", card.code, "answer"), answer)

    async def fetch_request(self, card: Card) -> Json:
        return await self.get(api_path("requests", card.request["id"]))

    async def events(self) -> list[LoggedEvent]:
        body = await self.get(api_path("threads", self.thread or "", "events"))
        return [LoggedEvent(**event) for event in body["events"]]

    async def event_types(self) -> list[str]:
        return [event.type for event in await self.events()]

    async def check_nothing_unread(self) -> None:
        """Check that there is no reply or open card that the test has not waited for."""
        if self.thread is not None:
            assert (await self._replies())[self._read_replies :] == []
            unseen = [r["code"] for r in await self._open_requests() if r["thread_id"] == self.thread]
            all_seen = set().union(*(person.seen_codes for person in self.harness.people.values()))
            assert set(unseen) <= all_seen

    async def pause(self) -> None:
        """Let other processes proceed."""
        event = asyncio.Event()
        asyncio.get_running_loop().call_later(0.02, event.set)
        await event.wait()

    async def _replies(self) -> list[str]:
        return [event.data["text"] for event in await self.events() if event.type == "ReplyChosen"]

    async def _open_requests(self) -> list[Json]:
        decidable = (await self.get(api_path("requests"), status="open", mine="true"))["requests"]
        if self.thread is None:
            return decidable
        in_thread = (await self.get(api_path("requests"), status="open", thread_id=self.thread))["requests"]
        return [*decidable, *(request for request in in_thread if request not in decidable)]


class TerminalPerson(Person):
    """Person who uses the client of `handrail chat`."""

    def __init__(self, name: str, url: str, token: str, harness: Any) -> None:
        super().__init__(name, url, token, harness)
        self._client = TerminalClient(url, token, name)

    async def start_thread(self, text: str, agent: str | None) -> Json:
        body = {"message": text, "agent": agent, "reply_to": f"terminal:{self.name}"}
        return await self._client.post(api_path("threads"), body)

    async def get(self, endpoint: str, **query: Any) -> Json:
        return await self._client.get(endpoint, **query)

    async def post(self, endpoint: str, body: Mapping[str, Any] | None = None) -> Json:
        return await self._client.post(endpoint, body)

    async def close(self) -> None:
        await self._client.__aexit__(None, None, None)


class RestPerson(Person):
    """Person who uses the REST API."""

    def __init__(self, name: str, url: str, token: str, harness: Any) -> None:
        super().__init__(name, url, token, harness)
        headers = {"Authorization": f"Bearer {token}"}
        self._http = httpx2.AsyncClient(base_url=url, headers=headers, timeout=WAIT_TIMEOUT_SECONDS, trust_env=False)

    async def start_thread(self, text: str, agent: str | None) -> Json:
        return await self.post(api_path("threads"), {"message": text, **({"agent": agent} if agent else {})})

    async def get(self, endpoint: str, **query: Any) -> Json:
        return _json_or_error(await self._http.get(endpoint, params=query))

    async def post(self, endpoint: str, body: Mapping[str, Any] | None = None) -> Json:
        return _json_or_error(await self._http.post(endpoint, json=dict(body or {})))

    async def close(self) -> None:
        await self._http.aclose()


class ApiRejected(Exception):
    """The API rejected a request with this status and error."""

    def __init__(self, status: int, error: Json) -> None:
        super().__init__(f"{status} {error['code']}: {error['message']}")
        self.status, self.error = status, error


def _json_or_error(response: httpx2.Response) -> Json:
    if response.is_error:
        raise ApiRejected(response.status_code, response.json()["error"])
    return response.json()


CHANNELS: Mapping[str, type[Person]] = {"terminal": TerminalPerson, "rest": RestPerson}
