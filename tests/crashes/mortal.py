"""Parts that die at a place: put around the real ones where the bot is put together, so production has no hooks."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agents.effects import Work
from agents.errors import StoreUnavailable
from agents.next_step import work
from agents.state import ThreadState
from bot.engine import Recorded
from bot.job_handlers import JobHandlers
from bot.perform import Performer
from storage.database import Database
from storage.jobs import HeldJob
from storage.jobs.serving import Handler
from storage.writes import Writes, Writing
from tests.crashes.fate import Fate

T = TypeVar("T")


@dataclass
class MortalDatabase:
    """A database whose process ends before or after the commit of an event, or whose word of a commit is lost."""

    real: Database
    fate: Fate

    async def write(self, work: Writing[T], after: Callable[[T], None] | None = None, *, locking: bool = False) -> T:
        lost = False

        def before(connection: Connection, writes: Writes) -> T:
            result = work(connection, writes)
            for kind in _kinds(result):
                self.fate.meets(f"before the commit of {kind}")
            return result

        def told(result: T) -> None:
            nonlocal lost
            for kind in _kinds(result):
                self.fate.meets(f"after the commit of {kind}")
                lost = lost or self.fate.spares(f"word lost of the commit of {kind}")
            if after is not None and not lost:
                after(result)

        result = await self.real.write(before, told, locking=locking)
        if lost:
            raise StoreUnavailable("the connection broke while it committed")
        return result

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


def _kinds(result: Any) -> list[str]:
    """The types of the events a transaction wrote, each once."""
    return list(dict.fromkeys(event.type for event in result.events)) if isinstance(result, Recorded) else []


@dataclass(frozen=True)
class MortalPerformer:
    """Ends once a piece of work is taken, before anything of it is done."""

    real: Performer
    fate: Fate

    async def perform(self, effect: Work, state: ThreadState) -> ThreadState:
        self.fate.meets(f"{type(effect).__name__} taken up")
        return await self.real.perform(effect, state)


@dataclass(frozen=True)
class MortalHandlers:
    """Ends once a job is taken, and once it is done and nobody has written that down."""

    real: JobHandlers
    fate: Fate

    async def advance(self, job: HeldJob) -> None:
        await self._handled(self.real.advance, "advance", job)

    async def deliver(self, job: HeldJob) -> None:
        await self._handled(self.real.deliver, "deliver", job)

    async def timer(self, job: HeldJob) -> None:
        await self._handled(self.real.timer, "timer", job)

    async def _handled(self, handle: Handler, queue: str, job: HeldJob) -> None:
        self.fate.meets(f"{queue} job taken")
        await handle(job)
        self.fate.meets(f"{queue} job done")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


@dataclass(frozen=True)
class LastListener:
    """Ends when a commit has been told, and nobody has been woken yet."""

    fate: Fate

    def notice(self, recorded: Recorded) -> None:
        if work(recorded.after):
            self.fate.meets(f"wake-up lost after {recorded.events[-1].type}")


class StoppedClock:
    """A clock that is down: deadlines pass, and nobody reports them."""

    def notice(self, recorded: Recorded) -> None:
        """Hear nothing."""

    async def run(self) -> None:
        await asyncio.Event().wait()


@dataclass(frozen=True)
class MortalDoor:
    """Ends between a request and its answer. Only what changes something counts: POST."""

    app: ASGIApp
    fate: Fate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            return await self.app(scope, receive, send)

        async def read() -> Message:
            message = await receive()
            if message["type"] == "http.request" and not message.get("more_body"):
                self.fate.meets("request read")
            return message

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.fate.meets("answer ready")
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                self.fate.meets("answer sent")

        return await self.app(scope, read, answer)
