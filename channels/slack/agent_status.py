"""Status that Slack shows under a thread while an agent works there, with a button to stop it.

An agent's session is `processing` while it works, and `suspended` while it waits for a person or a timer
(docs.slack.dev/ai/agent-sessions).
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from agents.core.errors import Permanent, Retryable
from channels.abilities import IdleReason
from channels.slack.client import SlackClient
from channels.slack.destinations import Destination

SHOW_DELAY_SECONDS = 0.3
"""Delay before a status is shown. Work that ends earlier shows no status."""

MIN_INTERVAL_SECONDS = 1.0
"""Interval between two threads that begin to show a status: Slack permits about 50 changes per minute."""

MAX_ATTEMPTS = 5
"""Failed calls after which a status is given up."""
_RETRY_DELAY_SECONDS = 5.0
_PROCESSING = "processing"
_SESSION_STATUSES: dict[IdleReason, str] = {"waiting": "suspended", "done": "active", "cancelled": "closed"}


@dataclass(frozen=True)
class AgentStatus:
    """Session status, and a text that describes what the agent is doing."""

    session_status: str
    activity: str = ""


@dataclass
class _ThreadStatus:
    """Status of one thread: the `target` to show, and the `current` one that Slack shows, None before the first."""

    target: AgentStatus
    current: AgentStatus | None = None
    task: asyncio.Task[None] | None = None

    @property
    def is_outdated(self) -> bool:
        """Return whether Slack must be updated; work that ended before it was shown needs no update."""
        return self.target != self.current and (self.current is not None or self.target.session_status == _PROCESSING)


@dataclass
class StatusUpdater:
    """Updates the status of each thread in the background. Only the latest status is sent, as a best-effort call."""

    client: SlackClient
    monotonic: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    _next_start_at: float = -1e9  # before any time of a monotonic clock
    _threads: dict[Destination, _ThreadStatus] = field(default_factory=dict)
    _unsupported: set[tuple[str, str]] = field(default_factory=set)

    def set_busy(self, destination: Destination, activity: str) -> None:
        """Show a thread as busy. If several begin within MIN_INTERVAL_SECONDS, only the first one shows a status."""
        if destination not in self._threads:
            if self.monotonic() < self._next_start_at:
                return
            self._next_start_at = self.monotonic() + MIN_INTERVAL_SECONDS
        self._set(destination, AgentStatus(_PROCESSING, activity))

    def set_idle(self, destination: Destination, reason: IdleReason) -> None:
        if destination in self._threads:
            self._set(destination, AgentStatus(_SESSION_STATUSES[reason]))

    async def stop(self) -> None:
        """Stop updating; the shown status stays until the next process continues the thread."""
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
        """Send updates until Slack shows the target status or too many have failed; then forget an idle thread."""
        if thread.current is None:
            await self.sleep(SHOW_DELAY_SECONDS)
        failures = 0
        while thread.is_outdated and failures < MAX_ATTEMPTS:
            failures += not await self._send(destination, thread)
        if thread.target.session_status != _PROCESSING:
            del self._threads[destination]

    async def _send(self, destination: Destination, thread: _ThreadStatus) -> bool:
        """Send the target status and return whether that succeeded; after a failure, wait before returning."""
        target, current = thread.target, thread.current or AgentStatus("")
        try:
            if target.session_status != current.session_status:
                await self._call("agents.sessions.setStatus", destination, target.session_status)
            if target.activity != current.activity:
                await self._call("assistant.threads.setStatus", destination, target.activity)
        except Retryable as error:
            await self.sleep(error.retry_after or _RETRY_DELAY_SECONDS)
            return False
        thread.current = target
        return True

    async def _call(self, method: str, destination: Destination, status: str) -> None:
        """Call the method, unless it has failed permanently in this channel before."""
        if (method, destination.channel) in self._unsupported:
            return
        try:
            await self.client.call(
                method, channel_id=destination.channel, thread_ts=destination.thread_ts, status=status
            )
        except Permanent:
            self._unsupported.add((method, destination.channel))
