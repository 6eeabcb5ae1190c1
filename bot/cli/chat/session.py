"""A conversation: what is typed is carried out, what happens is shown as it comes."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, assert_never

from rich.console import Console, RenderableType

from agents.errors import AlreadySettled, HandrailError, Refused, Retryable
from bot.cli.chat.answering import PATIENCE, Answering
from bot.cli.chat.dialogue import Dialogue
from bot.cli.chat.lookups import agents_of, looked_up, require_agent
from bot.cli.chat.news import ENDING, ENDS_TIMER, News, request_of
from bot.cli.chat.watching import Watching
from bot.cli.short_ids import thread_id_of
from channels.terminal.client import Connection, LoggedEvent, TerminalClient, path
from channels.terminal.completing import Known, completions
from channels.terminal.inbound import parse
from channels.terminal.lists import threads_table
from channels.terminal.orders import (
    AnswerQuestion,
    Approve,
    Decisive,
    Deny,
    Edit,
    ListAgents,
    ListRequests,
    ListThreads,
    Misunderstood,
    Quit,
    Say,
    ShowHelp,
    SpeakAs,
    StartNew,
    Steer,
    SwitchTo,
    Typed,
    WhoAmI,
)
from channels.terminal.outbound import RequestView, ThreadView, notice, trouble

WATCH_SECONDS = 2.0
STILL_SECONDS = 120.0
EARLIER = 50
"""Events shown of a thread that is switched to."""


@dataclass
class Session:
    """One person, one server, one thread at a time. `agent` None is the server's first."""

    server: TerminalClient
    screen: Console
    agent: str | None = None
    thread: str | None = None
    _news: News = field(default_factory=News)
    _dialogue: Dialogue = field(default_factory=Dialogue)
    _agents: tuple[str, ...] = ()
    _seq: int = 0
    _has_timer: bool = False
    _until: int = 0
    _moved: asyncio.Event = field(default_factory=asyncio.Event)
    _follower: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        self._watching = Watching(self.server, self._news, self._show)
        self._answering = Answering(self.server, self._news, self._show, self._dialogue.agrees)

    def prompt(self) -> str:
        """What stands before the line that is typed."""
        return self._dialogue.question or f"{self.server.name or 'handrail'}> "

    def completions(self, text: str) -> tuple[str, ...]:
        """Return what the Tab key offers behind a text."""
        codes = {one.code: tuple(one.arguments or ()) for one in self._news.waiting()}
        threads = {one.thread_id for one in self._news.waiting()} | ({self.thread} if self.thread else set())
        return completions(text, Known(codes, self._agents, sorted(threads)))

    async def run(self, lines: AsyncIterator[str], *, patient: bool = False) -> None:
        """Until the lines end or one of them says so. `patient` lets the thread rest before the next line is read.

        Raises UnknownAgent when the session began with one that is not there.
        """
        await self._begin()
        watcher = asyncio.create_task(self._watch())
        self._dialogue.lines = lines
        try:
            while (line := await self._dialogue.next_line()) is not None:
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

    async def _begin(self) -> None:
        await self._watching.look()
        await self._require_agent(self.agent)
        self._show(notice(f"connected to {self.server.url}; say something, or /help"))

    async def _require_agent(self, name: str | None) -> None:
        """Raises UnknownAgent, naming those there are."""
        agents = await agents_of(self.server)
        self._agents = tuple(one["name"] for one in agents)
        if name is not None:
            require_agent(name, agents)

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
                await self._answer(order)
            case SpeakAs() | SwitchTo() | StartNew() | Steer():
                await self._turn(order)
            case ListThreads() | ListRequests() | ListAgents() | WhoAmI() | ShowHelp() | Misunderstood():
                self._show(await looked_up(self.server, order, self.agent, is_short=self.screen.is_terminal))
            case Quit():
                return
            case _:
                assert_never(order)

    async def _turn(self, order: SpeakAs | SwitchTo | StartNew | Steer) -> None:
        match order:
            case SpeakAs(person):
                await self._speak_as(person)
            case SwitchTo(thread_id):
                await self._switch(thread_id)
            case StartNew(agent):
                await self._start_new(agent)
            case Steer(wish):
                await self._steer(wish)

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

    async def _answer(self, order: Decisive) -> None:
        if isinstance(order, Approve) and order.code is None:
            await self._watching.look()
        told = await self._answering.answer(order)
        if told is None:
            return
        self._watching.show(told)
        if (note := told.get("note")) is not None:
            self._show(notice(note))
        if self.thread is None:  # nothing else goes on here: what comes of the answer does
            self._join(told["thread_id"], await self._told_of(told))

    async def _told_of(self, request: Mapping[str, Any]) -> int:
        """Where in its thread's log a request was last answered."""
        found = await self.server.get(path("threads", request["thread_id"], "events"), patience=PATIENCE)
        answers = (one["seq"] for one in found["events"] if one["type"] == "RequestAnswered")
        return max(answers, default=0)

    async def _start_new(self, agent: str | None) -> None:
        if agent is not None:
            await self._require_agent(agent)
        self._leave()
        self.agent = agent or self.agent
        self._show(notice("what you say next begins a new thread" + (f" with {agent}" if agent else "")))

    async def _steer(self, wish: str) -> None:
        if self.thread is None:
            raise Refused(f"there is no thread here to {wish}; /threads lists them, /thread ID goes to one")
        await self.server.post(path("threads", self.thread, wish), patience=PATIENCE)

    async def _speak_as(self, person: str) -> None:
        before, self.server.name = self.server.name, person
        try:
            await self._watching.look()
        except HandrailError:
            self.server.name = before
            raise
        self._show(notice(f"you speak and decide as {person} now"))

    async def _switch(self, typed: str) -> None:
        found = await self.server.get(path("threads", await thread_id_of(self.server, typed)))
        thread = ThreadView.model_validate(found)
        self._leave()
        self._show(threads_table([thread]))
        self._join(thread.id, max(0, thread.version - EARLIER), until=thread.version)

    def _join(self, thread_id: str, after: int = 0, *, until: int = 0) -> None:
        self.thread, self._seq, self._until = thread_id, after, until
        self._follower = asyncio.create_task(self._follow(thread_id, after))

    def _leave(self) -> None:
        self.thread = None
        if self._follower is not None:
            self._follower.cancel()

    async def _follow(self, thread_id: str, after: int) -> None:
        try:
            async for news in self.server.follow(thread_id, after):
                await self._tell(thread_id, news)
        except HandrailError as error:
            self._show(trouble(str(error)))

    async def _tell(self, thread_id: str, news: LoggedEvent | Connection) -> None:
        if isinstance(news, Connection):
            self._show(notice("the server is away; waiting for it" if news.lost else "the server is back"))
            return
        self._show(*self._news.of_event(news))
        if news.seq < self._until:
            pass  # requests of the time before are shown together
        elif news.seq == self._until:
            await self._watching.show_earlier(thread_id)
        elif (request_id := request_of(news)) is not None:
            await self._watching.refresh([request_id])
        elif news.type in ENDING:
            await self._watching.refresh([one.id for one in self._news.waiting() if one.thread_id == thread_id])
        self._has_timer = news.type == "TimerSet" or (self._has_timer and news.type not in ENDS_TIMER)
        self._seq = news.seq
        self._moved.set()

    async def _watch(self) -> None:
        """Cards that wait for this person in threads of others, and what becomes of them."""
        with suppress(HandrailError):  # a token without a person has nothing to decide
            while True:
                await asyncio.sleep(WATCH_SECONDS)
                with suppress(Retryable):
                    await self._watching.look()

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
            self._news.note(RequestView.model_validate(told))

    def _show(self, *drawn: RenderableType) -> None:
        for one in drawn:
            self.screen.print(one)
