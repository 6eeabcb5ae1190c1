"""People and what they do: one language for every channel. A channel says how a person speaks and answers there."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from channels.terminal.client import LoggedEvent, TerminalClient, path

PATIENCE = 20.0
Json = Any


@dataclass
class Card:
    """A request as one person sees it."""

    seen_by: "Person"
    request: Json

    @property
    def code(self) -> str:
        code: str = self.request["code"]
        return code

    async def approve(self, **more: Json) -> Json:
        return await self.seen_by.answers(self, decision="approve", **more)

    async def deny(self, comment: str) -> Json:
        return await self.seen_by.answers(self, decision="deny", comment=comment)

    async def edit(self, **arguments: Json) -> Json:
        return await self.seen_by.answers(self, decision="edit", arguments={**self.request["arguments"], **arguments})

    async def answer(self, text: str) -> Json:
        return await self.seen_by.answers(self, decision="answer", text=text)

    async def is_settled(self, status: str) -> Json:
        """Wait until this card shows an end; the request as it then is."""
        async with asyncio.timeout(PATIENCE):
            while True:
                self.request = await self.seen_by.looks_at(self)
                if self.request["status"] == status and all(c["state"] == status for c in self.request["cards"]):
                    return self.request
                assert self.request["status"] in ("open", status), self.request
                await self.seen_by.waits()


class Person(ABC):
    """Somebody on some channel. `thread` is the conversation they are in."""

    def __init__(self, name: str, url: str, token: str, town: Any) -> None:
        self.name, self.url, self.token, self.town = name, url, token, town
        self.thread: str | None = None
        self.codes_seen: set[str] = set()
        self._heard = 0

    @abstractmethod
    async def open(self, text: str, agent: str | None) -> Json:
        """Open a thread; returns it."""

    @abstractmethod
    async def get(self, where: str, **query: Any) -> Json: ...

    @abstractmethod
    async def post(self, where: str, body: Mapping[str, Any] | None = None) -> Json: ...

    @abstractmethod
    async def leaves(self) -> None: ...

    async def says(self, text: str, agent: str | None = None) -> None:
        """Say something: in the conversation they are in, or opening one."""
        if self.thread is None:
            self.thread = (await self.open(text, agent))["id"]
        else:
            await self.post(path("threads", self.thread, "messages"), {"text": text})

    async def joins(self, other: "Person") -> None:
        """Speak in the conversation another person is in, from here on."""
        self.thread = other.thread
        self._heard = len(await self._replies())

    async def sees(self, *, approval: str | None = None, question: str | None = None) -> Card:
        """The open card they may decide, or that was shown to them in their conversation."""

        def wanted(request: Json) -> bool:
            new = request["code"] not in self.codes_seen and request.get("tool") == approval
            return new and (question or "") in (request.get("question") or "")

        async with asyncio.timeout(PATIENCE):
            while True:
                for request in await self._open_requests():
                    if wanted(request):
                        self.codes_seen.add(request["code"])
                        return Card(self, request)
                await self.waits()

    async def hears(self, text: str) -> str:
        """The next reply in their conversation, which must contain the text."""
        async with asyncio.timeout(PATIENCE):
            while len(replies := await self._replies()) <= self._heard:
                await self.waits()
        reply = replies[self._heard]
        self._heard += 1
        assert text in reply, reply
        return reply

    async def status(self, wanted: str) -> Json:
        """Their conversation, once it has this status."""
        async with asyncio.timeout(PATIENCE):
            while (thread := await self.get(path("threads", self.thread or "")))["status"] != wanted:
                await self.waits()
        return thread

    async def answers(self, card: Card, **answer: Json) -> Json:
        return await self.post(path("requests", card.code, "answer"), answer)

    async def looks_at(self, card: Card) -> Json:
        return await self.get(path("requests", card.request["id"]))

    async def log(self) -> list[LoggedEvent]:
        told = await self.get(path("threads", self.thread or "", "events"))
        return [LoggedEvent(**event) for event in told["events"]]

    async def story(self) -> list[str]:
        return [event.type for event in await self.log()]

    async def expects_nothing_more(self) -> None:
        """Nothing was said to them, and nothing asked of them, that the story did not expect."""
        if self.thread is not None:
            assert (await self._replies())[self._heard :] == []
            unseen = [r["code"] for r in await self._open_requests() if r["thread_id"] == self.thread]
            everybody = set().union(*(person.codes_seen for person in self.town.people.values()))
            assert set(unseen) <= everybody

    async def waits(self) -> None:
        """A moment, in which only others act."""
        event = asyncio.Event()
        asyncio.get_running_loop().call_later(0.02, event.set)
        await event.wait()

    async def _replies(self) -> list[str]:
        return [event.data["text"] for event in await self.log() if event.type == "ReplyChosen"]

    async def _open_requests(self) -> list[Json]:
        mine = (await self.get(path("requests"), status="open", mine="true"))["requests"]
        if self.thread is None:
            return mine
        here = (await self.get(path("requests"), status="open", thread_id=self.thread))["requests"]
        return [*mine, *(request for request in here if request not in mine)]


class TerminalPerson(Person):
    """Through the client behind `handrail chat`."""

    def __init__(self, name: str, url: str, token: str, town: Any) -> None:
        super().__init__(name, url, token, town)
        self._client = TerminalClient(url, token, name)

    async def open(self, text: str, agent: str | None) -> Json:
        body = {"message": text, "agent": agent, "reply_to": f"terminal:{self.name}"}
        return await self._client.post(path("threads"), body)

    async def get(self, where: str, **query: Any) -> Json:
        return await self._client.get(where, **query)

    async def post(self, where: str, body: Mapping[str, Any] | None = None) -> Json:
        return await self._client.post(where, body)

    async def leaves(self) -> None:
        await self._client.__aexit__(None, None, None)


class RestPerson(Person):
    """A program of theirs, over HTTP."""

    def __init__(self, name: str, url: str, token: str, town: Any) -> None:
        super().__init__(name, url, token, town)
        headers = {"Authorization": f"Bearer {token}"}
        self._http = httpx.AsyncClient(base_url=url, headers=headers, timeout=PATIENCE, trust_env=False)

    async def open(self, text: str, agent: str | None) -> Json:
        return await self.post(path("threads"), {"message": text, **({"agent": agent} if agent else {})})

    async def get(self, where: str, **query: Any) -> Json:
        return _told(await self._http.get(where, params=query))

    async def post(self, where: str, body: Mapping[str, Any] | None = None) -> Json:
        return _told(await self._http.post(where, json=dict(body or {})))

    async def leaves(self) -> None:
        await self._http.aclose()


class Declined(Exception):
    """The server said no; `status` and `error` are its words."""

    def __init__(self, status: int, error: Json) -> None:
        super().__init__(f"{status} {error['code']}: {error['message']}")
        self.status, self.error = status, error


def _told(reply: httpx.Response) -> Json:
    if reply.is_error:
        raise Declined(reply.status_code, reply.json()["error"])
    return reply.json()


CHANNELS: Mapping[str, type[Person]] = {"terminal": TerminalPerson, "rest": RestPerson}
