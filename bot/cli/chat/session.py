"""A conversation: what is typed is carried out, what happens is shown as it comes."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, assert_never

from rich.console import Console, RenderableType

from agents.errors import AlreadySettled, HandrailError, Retryable
from bot.cli.chat.news import ENDING, ENDS_TIMER, News, request_of
from channels.terminal.client import Connection, LoggedEvent, TerminalClient, path
from channels.terminal.inbound import (
    AnswerQuestion,
    Approve,
    Deny,
    Edit,
    ListRequests,
    ListThreads,
    Misunderstood,
    Quit,
    Say,
    ShowHelp,
    SpeakAs,
    StartNew,
    SwitchTo,
    Typed,
    decision,
    parse,
)
from channels.terminal.outbound import (
    RequestView,
    ThreadView,
    help_table,
    notice,
    requests_table,
    threads_table,
    trouble,
)

PATIENCE = 5
"""Attempts while the server is away, six seconds together: longer, and people type it again."""

WATCH_SECONDS = 2.0
STILL_SECONDS = 120.0
EARLIER = 50
"""Events shown of a thread that is switched to."""

LISTED = 20


@dataclass
class Session:
    """One person, one server, one thread at a time. `agent` None is the server's first."""

    server: TerminalClient
    screen: Console
    agent: str | None = None
    thread: str | None = None
    _news: News = field(default_factory=News)
    _seq: int = 0
    _has_timer: bool = False
    _moved: asyncio.Event = field(default_factory=asyncio.Event)
    _follower: asyncio.Task[None] | None = None

    def prompt(self) -> str:
        """What stands before the line that is typed."""
        return f"{self.server.name or 'handrail'}> "

    async def run(self, lines: AsyncIterator[str], *, patient: bool = False) -> None:
        """Until the lines end or one of them says so. `patient` lets the thread rest before the next line is read."""
        await self._look()
        self._show(notice(f"connected to {self.server.url}; say something, or /help"))
        watcher = asyncio.create_task(self._watch())
        try:
            async for line in lines:
                order = parse(line)
                if isinstance(order, Quit):
                    break
                if order is not None:
                    await self._carried_out(order)
                if patient:
                    await self._rested()
        finally:
            watcher.cancel()
            self._leave()

    async def _carried_out(self, order: Typed) -> None:
        try:
            await self._obey(order)
        except AlreadySettled as error:
            self._show(trouble(str(error)))
            self._forget(error.details)
        except HandrailError as error:
            self._show(trouble(str(error)))

    async def _obey(self, order: Typed) -> None:
        match order:
            case Say(text):
                await self._say(text)
            case Approve() | Deny() | Edit() | AnswerQuestion():
                await self._answer(order.code, decision(order))
            case SpeakAs(person):
                await self._speak_as(person)
            case SwitchTo(thread_id):
                await self._switch(thread_id)
            case StartNew(agent):
                self._leave()
                self.agent = agent or self.agent
                self._show(notice("what you say next begins a new thread"))
            case ListThreads() | ListRequests() | ShowHelp() | Misunderstood():
                self._show(await self._found(order))
            case Quit():
                return
            case _:
                assert_never(order)

    async def _found(self, order: ListThreads | ListRequests | ShowHelp | Misunderstood) -> RenderableType:
        match order:
            case ListThreads():
                threads = await self.server.listed(path("threads"), "threads", most=LISTED)
                return threads_table([ThreadView.model_validate(one) for one in threads])
            case ListRequests():
                requests = await self.server.listed(path("requests"), "requests", most=LISTED, status="open")
                return requests_table([RequestView.model_validate(one) for one in requests])
            case ShowHelp():
                return help_table()
            case Misunderstood(hint):
                return trouble(hint)

    async def _say(self, text: str) -> None:
        self._news.sent.append(text)
        try:
            await self._sent(text)
        except HandrailError:
            self._news.sent.remove(text)
            raise

    async def _sent(self, text: str) -> None:
        server = self.server
        if self.thread is not None:
            body = {"text": text, "actor": server.person}
            await server.post(path("threads", self.thread, "messages"), body, patience=PATIENCE)
            return
        opening = {"message": text, "agent": self.agent, "requester": server.person, "reply_to": server.address}
        thread = await server.post(path("threads"), opening, patience=PATIENCE)
        self._join(thread["id"])

    async def _answer(self, code: str, given: Mapping[str, Any]) -> None:
        """Answer what was shown under the code, bound to what was shown."""
        shown = self._news.coded(code)
        named, digest = (shown.id, shown.digest) if shown else (code, None)
        body = {**given, "digest": digest, "actor": self.server.person}
        told = await self.server.post(path("requests", named, "answer"), body, patience=PATIENCE)
        self._show_request(told)
        if (note := told.get("note")) is not None:
            self._show(notice(note))
        if self.thread is None:  # nothing else goes on here: what comes of the answer does
            self._join(told["thread_id"], await self._told_of(told))

    async def _told_of(self, request: Mapping[str, Any]) -> int:
        """Where in its thread's log a request was last answered."""
        found = await self.server.get(path("threads", request["thread_id"], "events"), patience=PATIENCE)
        answers = (one["seq"] for one in found["events"] if one["type"] == "RequestAnswered")
        return max(answers, default=0)

    async def _speak_as(self, person: str) -> None:
        before, self.server.name = self.server.name, person
        try:
            await self._look()
        except HandrailError:
            self.server.name = before
            raise
        self._show(notice(f"you speak and decide as {person} now"))

    async def _switch(self, thread_id: str) -> None:
        thread = ThreadView.model_validate(await self.server.get(path("threads", thread_id)))
        self._leave()
        self._show(threads_table([thread]))
        self._join(thread.id, max(0, thread.version - EARLIER))

    def _join(self, thread_id: str, after: int = 0) -> None:
        self.thread, self._seq = thread_id, after
        self._follower = asyncio.create_task(self._follow(thread_id, after))

    def _leave(self) -> None:
        self.thread = None
        if self._follower is not None:
            self._follower.cancel()

    async def _follow(self, thread_id: str, after: int) -> None:
        try:
            async for news in self.server.follow(thread_id, after):
                await self._tell(news)
        except HandrailError as error:
            self._show(trouble(str(error)))

    async def _tell(self, news: LoggedEvent | Connection) -> None:
        if isinstance(news, Connection):
            self._show(notice("the server is away; waiting for it" if news.lost else "the server is back"))
            return
        self._show(*self._news.of_event(news))
        if (request_id := request_of(news)) is not None:
            await self._refresh([request_id])
        elif news.type in ENDING:
            await self._refresh([one.id for one in self._news.waiting() if one.thread_id == self.thread])
        self._has_timer = news.type == "TimerSet" or (self._has_timer and news.type not in ENDS_TIMER)
        self._seq = news.seq
        self._moved.set()

    async def _watch(self) -> None:
        """Cards that wait for this person in threads of others, and what becomes of them."""
        with suppress(HandrailError):  # a token without a person has nothing to decide
            while True:
                await asyncio.sleep(WATCH_SECONDS)
                with suppress(Retryable):
                    await self._look()

    async def _look(self) -> None:
        query = {"status": "open", "mine": "true", "as": self.server.person}
        found = await self.server.listed(path("requests"), "requests", most=LISTED, **query)
        for request in found:
            self._show_request(request)
        still_open = {request["id"] for request in found}
        await self._refresh([one.id for one in self._news.waiting() if one.id not in still_open])

    async def _refresh(self, request_ids: Iterable[str]) -> None:
        for request_id in request_ids:
            self._show_request(await self.server.get(path("requests", request_id), patience=PATIENCE))

    async def _rested(self) -> None:
        """Until the thread waits for somebody, and all that led there is shown."""
        try:
            while self.thread is not None and self._follower is not None and not self._follower.done():
                self._moved.clear()
                thread = await self.server.get(path("threads", self.thread), patience=PATIENCE)
                is_retrying = thread["status"] == "waiting_for_time" and not self._has_timer
                if thread["status"] != "running" and not is_retrying and thread["version"] <= self._seq:
                    return
                async with asyncio.timeout(STILL_SECONDS):
                    await self._moved.wait()
        except TimeoutError:
            self._show(trouble(f"nothing moved for {STILL_SECONDS:g} seconds"))

    def _forget(self, told: Any) -> None:
        """An answer came too late, and its refusal has told how the request ended: that is not said twice."""
        with suppress(ValueError):
            request = RequestView.model_validate(told)
            self._news.requests[request.id] = request

    def _show_request(self, told: Any) -> None:
        self._show(*self._news.of_request(RequestView.model_validate(told), self.server.name))

    def _show(self, *drawn: RenderableType) -> None:
        for one in drawn:
            self.screen.print(one)
