"""What Slack shows under a thread while an agent works there, with a button to stop it.

An agent's session is `processing` while it works, `suspended` while it waits (docs.slack.dev/ai/agent-sessions).
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from agents.errors import Permanent, Retryable
from channels.base import IdleReason
from channels.slack.client import SlackClient
from channels.slack.destinations import Destination

SHOW_DELAY_SECONDS = 0.3
"""Seconds: what is over by then needs no sign."""

MIN_INTERVAL_SECONDS = 1.0
"""Seconds between two threads that begin to show a sign: Slack takes some fifty changes a minute."""

MAX_ATTEMPTS = 5
_RETRY_DELAY_SECONDS = 5.0
_PROCESSING = "processing"
_SESSION_STATUSES: dict[IdleReason, str] = {"waiting": "suspended", "done": "active", "cancelled": "closed"}


@dataclass(frozen=True)
class AgentStatus:
    """The session's status, and what the agent is doing in words."""

    session_status: str
    activity: str = ""


@dataclass
class _ThreadStatus:
    target: AgentStatus
    current: AgentStatus | None = None
    task: asyncio.Task[None] | None = None

    @property
    def is_outdated(self) -> bool:
        """What was over before anybody saw it needs no sign."""
        return self.target != self.current and (self.current is not None or self.target.session_status == _PROCESSING)


@dataclass
class StatusUpdater:
    """One sign for each thread: the last one that was wanted. Nobody waits for it, and nothing depends on it."""

    client: SlackClient
    monotonic: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    _next_start_at: float = -1e9
    _threads: dict[Destination, _ThreadStatus] = field(default_factory=dict)
    _unsupported: set[tuple[str, str]] = field(default_factory=set)

    def set_busy(self, destination: Destination, activity: str) -> None:
        """A crowd that begins at once reads no signs: of those only the first one gets one."""
        if destination not in self._threads:
            if self.monotonic() < self._next_start_at:
                return
            self._next_start_at = self.monotonic() + MIN_INTERVAL_SECONDS
        self._set(destination, AgentStatus(_PROCESSING, activity))

    def set_idle(self, destination: Destination, reason: IdleReason) -> None:
        if destination in self._threads:
            self._set(destination, AgentStatus(_SESSION_STATUSES[reason]))

    async def stop(self) -> None:
        """What is shown stays until the next process goes on with the thread."""
        tasks = [thread.task for thread in self._threads.values() if thread.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _set(self, destination: Destination, status: AgentStatus) -> None:
        thread = self._threads.setdefault(destination, _ThreadStatus(status))
        thread.target = status
        if thread.task is None or thread.task.done():
            thread.task = asyncio.create_task(self._sync(destination, thread), name="slack status")

    async def _sync(self, destination: Destination, thread: _ThreadStatus) -> None:
        """Until what is shown is what is wanted, or it fails too often. What rests is forgotten."""
        if thread.current is None:
            await self.sleep(SHOW_DELAY_SECONDS)
        failed = 0
        while thread.is_outdated and failed < MAX_ATTEMPTS:
            failed += not await self._send(destination, thread)
        if thread.target.session_status != _PROCESSING:
            del self._threads[destination]

    async def _send(self, destination: Destination, thread: _ThreadStatus) -> bool:
        """Whether it could be shown; if Slack wants to be left alone, after that time."""
        sign, before = thread.target, thread.current or AgentStatus("")
        try:
            if sign.session_status != before.session_status:
                await self._call("agents.sessions.setStatus", destination, sign.session_status)
            if sign.activity != before.activity:
                await self._call("assistant.threads.setStatus", destination, sign.activity)
        except Retryable as error:
            await self.sleep(error.retry_after or _RETRY_DELAY_SECONDS)
            return False
        thread.current = sign
        return True

    async def _call(self, method: str, destination: Destination, status: str) -> None:
        """What a channel does not know is not asked of it again."""
        if (method, destination.channel) in self._unsupported:
            return
        try:
            await self.client.call(
                method, channel_id=destination.channel, thread_ts=destination.thread_ts, status=status
            )
        except Permanent:
            self._unsupported.add((method, destination.channel))
