"""Replies while they are written: as a stream of Slack's own, or where that is refused by editing a message.

Streams: docs.slack.dev/reference/methods/chat.startStream. The text that counts is that of the message which takes a
draft's place.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from agents.addresses import Address
from agents.errors import HandrailError, Permanent
from agents.messages import Receipt
from channels.degrade import digest_of_text
from channels.slack.cards import LONGEST_TEXT
from channels.slack.client import SlackClient
from channels.slack.escaping import INERT, QUIET, escaped, inert_beginning
from channels.slack.failures import StoppedByReader
from channels.slack.finding import metadata
from channels.slack.identity import Identity
from channels.slack.places import Spot

APART = 1.0
"""Seconds between two pieces: what is written meanwhile comes in one."""

PATIENCE = 2.0
"""Seconds the thread waits for a piece that is on its way."""

LONGEST = 11_000
"""Characters that are shown: a reply that is longer goes on in other messages, once it is whole."""

_DRAFT = "draft"


class Way(Protocol):
    """How a draft is shown. Both raise what SlackClient raises."""

    async def start(self, text: str) -> str:
        """The ts of its message."""
        ...

    async def go_on(self, ts: str, shown: str, text: str) -> None:
        """From what is shown to what is to be shown."""
        ...


@dataclass(frozen=True)
class Streamed:
    """In a channel one person reads along, and has to be named."""

    client: SlackClient
    identity: Identity
    spot: Spot
    reader: Address | None

    async def start(self, text: str) -> str:
        team, _, user = (self.reader.rest if self.reader else "").rpartition("/")
        named = {"recipient_user_id": user, "recipient_team_id": team or (await self.identity.us()).team}
        place = {"channel": self.spot.channel, "thread_ts": self.spot.root} | (named if user else {})
        return str((await self.client.call("chat.startStream", **place, markdown_text=text))["ts"])

    async def go_on(self, ts: str, shown: str, text: str) -> None:
        await self.client.call("chat.appendStream", channel=self.spot.channel, ts=ts, markdown_text=text[len(shown) :])


@dataclass(frozen=True)
class Rewritten:
    """A message that is changed again and again."""

    client: SlackClient
    spot: Spot

    async def start(self, text: str) -> str:
        place = {"channel": self.spot.channel, "thread_ts": self.spot.root} | QUIET
        return str((await self.client.call("chat.postMessage", **place, **_drawn(text), metadata=_NAMED))["ts"])

    async def go_on(self, ts: str, shown: str, text: str) -> None:  # noqa: ARG002 - all of it is written anew
        await self.client.call("chat.update", channel=self.spot.channel, ts=ts, **_drawn(text))


_NAMED = metadata(_DRAFT, 0)


def _drawn(text: str) -> dict[str, Any]:
    return {"text": escaped(text, LONGEST_TEXT), "blocks": [{"type": "markdown", "text": text}], **INERT}


@dataclass
class SlackDraft:
    """`ways` are tried in turn: what refuses once is not asked again for this draft."""

    client: SlackClient
    spot: Spot
    ways: list[Way]
    turn: Callable[[], Awaitable[None]]
    sleep: Callable[[float], Awaitable[None]]
    _wanted: str = ""
    _shown: str = ""
    _ts: str | None = None
    _telling: bool = False
    _stays: bool = False
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _over: asyncio.Event = field(default_factory=asyncio.Event)
    _task: asyncio.Task[None] | None = None

    def words(self, text: str) -> None:
        self._wanted = text
        self._news.set()
        if self._task is None and self.ways:
            self._task = asyncio.create_task(self._show(), name="slack draft")

    async def end(self) -> Receipt | None:
        await self._stop()
        if self._ts is None:
            return None
        return Receipt(ref=f"{self.spot.channel}:{self._ts}", digest=digest_of_text(self._shown))

    async def discard(self) -> None:
        """What a reader has stopped they have read: it stays."""
        await self._stop()
        if self._ts is None:
            return
        place = {"channel": self.spot.channel, "ts": self._ts}
        await _quietly(self.client.call("chat.stopStream", **place))
        if not self._stays:
            await _quietly(self.client.call("chat.delete", **place))

    async def _stop(self) -> None:
        """A piece on its way may arrive; what waits for its time need not."""
        self._over.set()
        if self._task is not None:
            if self._telling:
                await asyncio.wait([self._task], timeout=PATIENCE)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _show(self) -> None:
        """Until it is over, or Slack takes it in no way."""
        try:
            await self.turn()
            while not self._over.is_set():
                self._news.clear()
                await self._show_more()
                if not self._over.is_set():
                    await self._news.wait()
                    await self.sleep(APART)
        except StoppedByReader:
            self._stays = True
        except HandrailError:
            return

    async def _show_more(self) -> None:
        """All there is by now; what one way refuses the next one may take."""
        text = presentable(self._wanted)
        while text.strip() and text != self._shown:
            try:
                await self._tell(self.ways[0], text)
            except StoppedByReader:
                raise
            except Permanent:
                self.ways.pop(0)
                if not self.ways:
                    raise
            else:
                self._shown = text

    async def _tell(self, way: Way, text: str) -> None:
        self._telling = True
        try:
            if self._ts is None:
                self._ts = await way.start(text)
            else:
                await way.go_on(self._ts, self._shown, text)
        finally:
            self._telling = False


def presentable(text: str) -> str:
    """The beginning of a reply, made inert: of a longer beginning it is the beginning again."""
    return inert_beginning(text[:LONGEST], LONGEST)


async def _quietly(call: Awaitable[object]) -> None:
    try:
        await call
    except HandrailError:
        return
