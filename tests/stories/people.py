"""People and what they do: one language for every channel. A channel says how a person speaks and answers there."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from channels.terminal.client import LoggedEvent, TerminalClient, api_path

WAIT_TIMEOUT_SECONDS = 20.0
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

    async def approve(self, **more: Json) -> Json:
        return await self.viewer.answer_request(self, decision="approve", **more)

    async def deny(self, comment: str) -> Json:
        return await self.viewer.answer_request(self, decision="deny", comment=comment)

    async def edit(self, **arguments: Json) -> Json:
        return await self.viewer.answer_request(
            self, decision="edit", arguments={**self.request["arguments"], **arguments}
        )

    async def answer(self, text: str) -> Json:
        return await self.viewer.answer_request(self, decision="answer", text=text)

    async def wait_for_status(self, status: str) -> Json:
        """Wait until this card shows an end; the request as it then is."""
        async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
            while True:
                self.request = await self.viewer.fetch_request(self)
                if self.request["status"] == status and all(c["state"] == status for c in self.request["cards"]):
                    return self.request
                assert self.request["status"] in ("open", status), self.request
                await self.viewer.pause()


class Person(ABC):
    """Somebody on some channel. `thread` is the conversation they are in."""

    def __init__(self, name: str, url: str, token: str, harness: Any) -> None:
        self.name, self.url, self.token, self.harness = name, url, token, harness
        self.thread: str | None = None
        self.seen_codes: set[str] = set()
        self._read_replies = 0

    @abstractmethod
    async def start_thread(self, text: str, agent: str | None) -> Json:
        """Open a thread; returns it."""

    @abstractmethod
    async def get(self, endpoint: str, **query: Any) -> Json: ...

    @abstractmethod
    async def post(self, endpoint: str, body: Mapping[str, Any] | None = None) -> Json: ...

    @abstractmethod
    async def close(self) -> None: ...

    async def post_message(self, text: str, agent: str | None = None) -> None:
        """Say something: in the conversation they are in, or opening one."""
        if self.thread is None:
            self.thread = (await self.start_thread(text, agent))["id"]
        else:
            await self.post(api_path("threads", self.thread, "messages"), {"text": text})

    async def join(self, other: "Person") -> None:
        """Speak in the conversation another person is in, from here on."""
        self.thread = other.thread
        self._read_replies = len(await self._replies())

    async def wait_for_card(self, *, approval: str | None = None, question: str | None = None) -> Card:
        """The open card they may decide, or that was shown to them in their conversation."""

        def wanted(request: Json) -> bool:
            new = request["code"] not in self.seen_codes and request.get("tool") == approval
            return new and (question or "") in (request.get("question") or "")

        async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
            while True:
                for request in await self._open_requests():
                    if wanted(request):
                        self.seen_codes.add(request["code"])
                        return Card(self, request)
                await self.pause()

    async def wait_for_reply(self, text: str) -> str:
        """The next reply in their conversation, which must contain the text."""
        async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
            while len(replies := await self._replies()) <= self._read_replies:
                await self.pause()
        reply = replies[self._read_replies]
        self._read_replies += 1
        assert text in reply, reply
        return reply

    async def wait_for_status(self, status: str) -> Json:
        """Their conversation, once it has this status."""
        async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
            while (thread := await self.get(api_path("threads", self.thread or "")))["status"] != status:
                await self.pause()
        return thread

    async def answer_request(self, card: Card, **answer: Json) -> Json:
        return await self.post(api_path("requests", card.code, "answer"), answer)

    async def fetch_request(self, card: Card) -> Json:
        return await self.get(api_path("requests", card.request["id"]))

    async def events(self) -> list[LoggedEvent]:
        told = await self.get(api_path("threads", self.thread or "", "events"))
        return [LoggedEvent(**event) for event in told["events"]]

    async def event_types(self) -> list[str]:
        return [event.type for event in await self.events()]

    async def check_nothing_unread(self) -> None:
        """Nothing was said to them, and nothing asked of them, that the story did not expect."""
        if self.thread is not None:
            assert (await self._replies())[self._read_replies :] == []
            unseen = [r["code"] for r in await self._open_requests() if r["thread_id"] == self.thread]
            everybody = set().union(*(person.seen_codes for person in self.harness.people.values()))
            assert set(unseen) <= everybody

    async def pause(self) -> None:
        """A moment, in which only others act."""
        event = asyncio.Event()
        asyncio.get_running_loop().call_later(0.02, event.set)
        await event.wait()

    async def _replies(self) -> list[str]:
        return [event.data["text"] for event in await self.events() if event.type == "ReplyChosen"]

    async def _open_requests(self) -> list[Json]:
        mine = (await self.get(api_path("requests"), status="open", mine="true"))["requests"]
        if self.thread is None:
            return mine
        here = (await self.get(api_path("requests"), status="open", thread_id=self.thread))["requests"]
        return [*mine, *(request for request in here if request not in mine)]


class TerminalPerson(Person):
    """Through the client behind `handrail chat`."""

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
    """A program of theirs, over HTTP."""

    def __init__(self, name: str, url: str, token: str, harness: Any) -> None:
        super().__init__(name, url, token, harness)
        headers = {"Authorization": f"Bearer {token}"}
        self._http = httpx.AsyncClient(base_url=url, headers=headers, timeout=WAIT_TIMEOUT_SECONDS, trust_env=False)

    async def start_thread(self, text: str, agent: str | None) -> Json:
        return await self.post(api_path("threads"), {"message": text, **({"agent": agent} if agent else {})})

    async def get(self, endpoint: str, **query: Any) -> Json:
        return _json_or_error(await self._http.get(endpoint, params=query))

    async def post(self, endpoint: str, body: Mapping[str, Any] | None = None) -> Json:
        return _json_or_error(await self._http.post(endpoint, json=dict(body or {})))

    async def close(self) -> None:
        await self._http.aclose()


class ApiRejected(Exception):
    """The server said no; `status` and `error` are its words."""

    def __init__(self, status: int, error: Json) -> None:
        super().__init__(f"{status} {error['code']}: {error['message']}")
        self.status, self.error = status, error


def _json_or_error(response: httpx.Response) -> Json:
    if response.is_error:
        raise ApiRejected(response.status_code, response.json()["error"])
    return response.json()


CHANNELS: Mapping[str, type[Person]] = {"terminal": TerminalPerson, "rest": RestPerson}
