"""Wrappers with kill points, at which the process is killed or a call fails.

They wrap the real parts at assembly, so the product has no hooks.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agents.core.errors import StoreUnavailable
from agents.core.next_step import WorkEffect, next_work
from agents.core.state import ThreadState
from bot.execution.effects import EffectExecutor
from bot.execution.queue.handlers import JobHandlers
from bot.services.engine import CommitResult
from storage.database.database import Database
from storage.database.transactions import BatchFunction, WriteBatch
from storage.jobs import RunningJob
from storage.jobs.worker import JobHandler
from tests.crashes.kill_points import KillPoint

T = TypeVar("T")


@dataclass
class FaultyDatabase:
    """Database with kill points before and after the commit of an event type. It can also lose the commit's result."""

    wrapped: Database
    kill_point: KillPoint

    async def commit_batch(
        self, function: BatchFunction[T], on_commit: Callable[[T], None] | None = None, *, for_update: bool = False
    ) -> T:
        is_lost = False

        def fail_before_commit(connection: Connection, writes: WriteBatch) -> T:
            result = function(connection, writes)
            for kind in _event_types(result):
                self.kill_point.kill_if_reached(f"before the commit of {kind}")
            return result

        def fail_after_commit(result: T) -> None:
            nonlocal is_lost
            for kind in _event_types(result):
                self.kill_point.kill_if_reached(f"after the commit of {kind}")
                is_lost = is_lost or self.kill_point.should_fail(f"lost result of the commit of {kind}")
            if on_commit is not None and not is_lost:
                on_commit(result)

        result = await self.wrapped.commit_batch(fail_before_commit, fail_after_commit, for_update=for_update)
        if is_lost:
            raise StoreUnavailable("the connection broke during the commit")
        return result

    def __getattr__(self, name: str) -> Any:
        return getattr(self.wrapped, name)


def _event_types(result: Any) -> list[str]:
    """Return the distinct types of the events a transaction wrote."""
    return list(dict.fromkeys(event.type for event in result.events)) if isinstance(result, CommitResult) else []


@dataclass(frozen=True)
class KillingEffectExecutor:
    """Effect executor with which the process is killed when it starts an effect."""

    wrapped: EffectExecutor
    kill_point: KillPoint

    async def execute(self, effect: WorkEffect, state: ThreadState) -> ThreadState:
        self.kill_point.kill_if_reached(f"{type(effect).__name__} started")
        return await self.wrapped.execute(effect, state)


@dataclass(frozen=True)
class KillingJobHandlers:
    """Job handlers with which the process is killed when a job starts, and before it is finished in the database."""

    wrapped: JobHandlers
    kill_point: KillPoint

    async def advance(self, job: RunningJob) -> None:
        await self._handle(self.wrapped.advance, "advance", job)

    async def deliver(self, job: RunningJob) -> None:
        await self._handle(self.wrapped.deliver, "deliver", job)

    async def timer(self, job: RunningJob) -> None:
        await self._handle(self.wrapped.timer, "timer", job)

    async def input(self, job: RunningJob) -> None:
        await self._handle(self.wrapped.input, "input", job)

    async def _handle(self, handle: JobHandler, queue: str, job: RunningJob) -> None:
        self.kill_point.kill_if_reached(f"{queue} job started")
        await handle(job)
        self.kill_point.kill_if_reached(f"{queue} job done")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.wrapped, name)


@dataclass(frozen=True)
class KillingCommitListener:
    """Commit listener with which the process is killed after the commit and before any wake-up."""

    kill_point: KillPoint

    def on_commit(self, commit: CommitResult) -> None:
        if next_work(commit.after):
            self.kill_point.kill_if_reached(f"wake-up lost after {commit.events[-1].type}")


class StoppedTimerService:
    """Timer service that does nothing: deadlines pass and are not reported."""

    def on_commit(self, commit: CommitResult) -> None:
        """Ignore the commit."""

    async def run(self) -> None:
        await asyncio.Event().wait()


@dataclass(frozen=True)
class KillingMiddleware:
    """Middleware with which the process is killed between a POST request and the end of its response."""

    app: ASGIApp
    kill_point: KillPoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            return await self.app(scope, receive, send)

        async def receive_request() -> Message:
            message = await receive()
            if message["type"] == "http.request" and not message.get("more_body"):
                self.kill_point.kill_if_reached("request read")
            return message

        async def send_response(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.kill_point.kill_if_reached("response ready")
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                self.kill_point.kill_if_reached("response sent")

        return await self.app(scope, receive_request, send_response)
