"""What Slack shows under a thread while an agent works there, with a button to stop it.

An agent's session is `processing` while it works, `suspended` while it waits (docs.slack.dev/ai/agent-sessions).
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from agents.errors import Permanent, Retryable
from channels.base import Rest
from channels.slack.client import SlackClient
from channels.slack.places import Spot

DELAY = 0.3
"""Seconds: what is over by then needs no sign."""

APART = 1.0
"""Seconds between two threads that begin to show a sign: Slack takes some fifty changes a minute."""

MOST_ATTEMPTS = 5
_PAUSE = 5.0
_WORKS = "processing"
_SESSIONS: dict[Rest, str] = {"waiting": "suspended", "done": "active", "cancelled": "closed"}


@dataclass(frozen=True)
class Sign:
    """The session's status, and what the agent is doing in words."""

    session: str
    words: str = ""


@dataclass
class _Thread:
    wanted: Sign
    shown: Sign | None = None
    task: asyncio.Task[None] | None = None

    @property
    def is_behind(self) -> bool:
        """What was over before anybody saw it needs no sign."""
        return self.wanted != self.shown and (self.shown is not None or self.wanted.session == _WORKS)


@dataclass
class Status:
    """One sign for each thread: the last one that was wanted. Nobody waits for it, and nothing depends on it."""

    client: SlackClient
    elapsed: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    _free_at: float = -1e9
    _threads: dict[Spot, _Thread] = field(default_factory=dict)
    _refused: set[tuple[str, str]] = field(default_factory=set)

    def works(self, spot: Spot, words: str) -> None:
        """A crowd that begins at once reads no signs: of those only the first one gets one."""
        if spot not in self._threads:
            if self.elapsed() < self._free_at:
                return
            self._free_at = self.elapsed() + APART
        self._want(spot, Sign(_WORKS, words))

    def rests(self, spot: Spot, rest: Rest) -> None:
        if spot in self._threads:
            self._want(spot, Sign(_SESSIONS[rest]))

    async def stop(self) -> None:
        """What is shown stays until the next process goes on with the thread."""
        tasks = [thread.task for thread in self._threads.values() if thread.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _want(self, spot: Spot, sign: Sign) -> None:
        thread = self._threads.setdefault(spot, _Thread(sign))
        thread.wanted = sign
        if thread.task is None or thread.task.done():
            thread.task = asyncio.create_task(self._follow(spot, thread), name="slack status")

    async def _follow(self, spot: Spot, thread: _Thread) -> None:
        """Until what is shown is what is wanted, or it fails too often. What rests is forgotten."""
        if thread.shown is None:
            await self.sleep(DELAY)
        failed = 0
        while thread.is_behind and failed < MOST_ATTEMPTS:
            failed += not await self._show(spot, thread)
        if thread.wanted.session != _WORKS:
            del self._threads[spot]

    async def _show(self, spot: Spot, thread: _Thread) -> bool:
        """Whether it could be shown; if Slack wants to be left alone, after that time."""
        sign, before = thread.wanted, thread.shown or Sign("")
        try:
            if sign.session != before.session:
                await self._tell("agents.sessions.setStatus", spot, sign.session)
            if sign.words != before.words:
                await self._tell("assistant.threads.setStatus", spot, sign.words)
        except Retryable as error:
            await self.sleep(error.retry_after or _PAUSE)
            return False
        thread.shown = sign
        return True

    async def _tell(self, method: str, spot: Spot, status: str) -> None:
        """What a channel does not know is not asked of it again."""
        if (method, spot.channel) in self._refused:
            return
        try:
            await self.client.call(method, channel_id=spot.channel, thread_ts=spot.root, status=status)
        except Permanent:
            self._refused.add((method, spot.channel))
