"""Parts that die at a place: put around the real ones where the bot is put together, so production has no hooks."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agents.effects import WorkEffect
from agents.errors import StoreUnavailable
from agents.next_step import next_work
from agents.state import ThreadState
from bot.effect_executor import EffectExecutor
from bot.engine import CommitResult
from bot.job_handlers import JobHandlers
from storage.database import Database
from storage.jobs import RunningJob
from storage.jobs.worker import JobHandler
from storage.write_batch import BatchFunction, WriteBatch
from tests.crashes.kill_points import KillPoint

T = TypeVar("T")


@dataclass
class FaultyDatabase:
    """A database whose process ends before or after the commit of an event, or whose word of a commit is lost."""

    wrapped: Database
    kill_point: KillPoint

    async def commit_batch(
        self, function: BatchFunction[T], on_commit: Callable[[T], None] | None = None, *, for_update: bool = False
    ) -> T:
        lost = False

        def before(connection: Connection, writes: WriteBatch) -> T:
            result = function(connection, writes)
            for kind in _event_types(result):
                self.kill_point.reached(f"before the commit of {kind}")
            return result

        def told(result: T) -> None:
            nonlocal lost
            for kind in _event_types(result):
                self.kill_point.reached(f"after the commit of {kind}")
                lost = lost or self.kill_point.should_fail(f"lost result of the commit of {kind}")
            if on_commit is not None and not lost:
                on_commit(result)

        result = await self.wrapped.commit_batch(before, told, for_update=for_update)
        if lost:
            raise StoreUnavailable("the connection broke while it committed")
        return result

    def __getattr__(self, name: str) -> Any:
        return getattr(self.wrapped, name)


def _event_types(result: Any) -> list[str]:
    """The types of the events a transaction wrote, each once."""
    return list(dict.fromkeys(event.type for event in result.events)) if isinstance(result, CommitResult) else []


@dataclass(frozen=True)
class FaultyEffectExecutor:
    """Ends once a piece of work is taken, before anything of it is done."""

    wrapped: EffectExecutor
    kill_point: KillPoint

    async def execute(self, effect: WorkEffect, state: ThreadState) -> ThreadState:
        self.kill_point.reached(f"{type(effect).__name__} started")
        return await self.wrapped.execute(effect, state)


@dataclass(frozen=True)
class FaultyJobHandlers:
    """Ends once a job is taken, and once it is done and nobody has written that down."""

    wrapped: JobHandlers
    kill_point: KillPoint

    async def advance(self, job: RunningJob) -> None:
        await self._handle(self.wrapped.advance, "advance", job)

    async def deliver(self, job: RunningJob) -> None:
        await self._handle(self.wrapped.deliver, "deliver", job)

    async def timer(self, job: RunningJob) -> None:
        await self._handle(self.wrapped.timer, "timer", job)

    async def _handle(self, handle: JobHandler, queue: str, job: RunningJob) -> None:
        self.kill_point.reached(f"{queue} job started")
        await handle(job)
        self.kill_point.reached(f"{queue} job done")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.wrapped, name)


@dataclass(frozen=True)
class FaultyCommitListener:
    """Ends when a commit has been told, and nobody has been woken yet."""

    kill_point: KillPoint

    def on_commit(self, commit: CommitResult) -> None:
        if next_work(commit.after):
            self.kill_point.reached(f"wake-up lost after {commit.events[-1].type}")


class StoppedTimerService:
    """A clock that is down: deadlines pass, and nobody reports them."""

    def on_commit(self, commit: CommitResult) -> None:
        """Hear nothing."""

    async def run(self) -> None:
        await asyncio.Event().wait()


@dataclass(frozen=True)
class FaultyMiddleware:
    """Ends between a request and its answer. Only what changes something counts: POST."""

    app: ASGIApp
    kill_point: KillPoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            return await self.app(scope, receive, send)

        async def read() -> Message:
            message = await receive()
            if message["type"] == "http.request" and not message.get("more_body"):
                self.kill_point.reached("request read")
            return message

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.kill_point.reached("response ready")
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                self.kill_point.reached("response sent")

        return await self.app(scope, read, answer)
