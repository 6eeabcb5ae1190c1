"""Replies that are shown while they are written: with Slack's streaming methods, or else by editing a message.

Streaming: docs.slack.dev/reference/methods/chat.startStream. The final message of the log replaces the streamed one.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from agents.core.errors import HandrailError, Permanent
from agents.core.messages import Receipt
from agents.core.values import Address
from channels.slack.blocks import NO_PARSING, NO_UNFURLING, escape_mrkdwn, neutralize_markdown_prefix
from channels.slack.cards import MAX_TEXT_LENGTH
from channels.slack.client import SlackClient
from channels.slack.destinations import Destination
from channels.slack.errors import StreamStoppedByUser
from channels.slack.identity import BotIdentityCache
from channels.slack.message_lookup import message_metadata
from channels.text import text_digest

MIN_INTERVAL_SECONDS = 1.0
"""Interval between two updates; text that is written in between is sent together."""

SEND_TIMEOUT_SECONDS = 2.0
"""Limit for `finish` and `discard` to wait for an update that is being sent."""

MAX_SHOWN_LENGTH = 11_000
"""Characters that are shown while a reply is written; the final message has the rest."""

_STREAM_KEY = "draft"
"""Key in the metadata of a message that shows an unfinished reply; that of a final message is its outbox key."""


class StreamTransport(Protocol):
    """Method of showing a reply that is still being written. `start` and `append` raise the errors of SlackClient."""

    async def start(self, text: str) -> str:
        """Create the message and return its ts."""
        ...

    async def append(self, ts: str, shown_text: str, text: str) -> None:
        """Change the message's text from `shown_text` to `text`."""
        ...


@dataclass(frozen=True)
class NativeStreamTransport:
    """Transport that uses Slack's streaming methods. In a channel, Slack requires the user who sees the stream."""

    client: SlackClient
    bot_identity: BotIdentityCache
    destination: Destination
    recipient: Address | None

    async def start(self, text: str) -> str:
        team, _, user = (self.recipient.id if self.recipient else "").rpartition("/")
        recipient = {"recipient_user_id": user, "recipient_team_id": team or (await self.bot_identity.get()).team}
        thread = {"channel": self.destination.channel, "thread_ts": self.destination.thread_ts}
        arguments = thread | (recipient if user else {})
        return str((await self.client.call("chat.startStream", **arguments, markdown_text=text))["ts"])

    async def append(self, ts: str, shown_text: str, text: str) -> None:
        await self.client.call(
            "chat.appendStream", channel=self.destination.channel, ts=ts, markdown_text=text[len(shown_text) :]
        )


@dataclass(frozen=True)
class MessageEditTransport:
    """Transport that posts a message and updates it repeatedly."""

    client: SlackClient
    destination: Destination

    async def start(self, text: str) -> str:
        thread = {"channel": self.destination.channel, "thread_ts": self.destination.thread_ts} | NO_UNFURLING
        return str(
            (await self.client.call("chat.postMessage", **thread, **_message_arguments(text), metadata=_METADATA))["ts"]
        )

    async def append(self, ts: str, shown_text: str, text: str) -> None:  # noqa: ARG002 - the complete text is sent again
        await self.client.call("chat.update", channel=self.destination.channel, ts=ts, **_message_arguments(text))


_METADATA = message_metadata(_STREAM_KEY, 0)


def _message_arguments(text: str) -> dict[str, Any]:
    return {"text": escape_mrkdwn(text, MAX_TEXT_LENGTH), "blocks": [{"type": "markdown", "text": text}], **NO_PARSING}


@dataclass
class SlackReplyStream:
    """Reply stream on Slack. It uses the first transport until that fails permanently, and then the next one.

    `acquire` waits until the rate limiter allows a message. A stream that a person stopped `_is_kept`: it stays shown.
    """

    client: SlackClient
    destination: Destination
    transports: list[StreamTransport]
    acquire: Callable[[], Awaitable[None]]
    sleep: Callable[[float], Awaitable[None]]
    _target_text: str = ""
    _shown_text: str = ""
    _ts: str | None = None
    _is_sending: bool = False
    _is_kept: bool = False
    _updated: asyncio.Event = field(default_factory=asyncio.Event)
    _finished: asyncio.Event = field(default_factory=asyncio.Event)
    _task: asyncio.Task[None] | None = None

    def update(self, text: str) -> None:
        self._target_text = text
        self._updated.set()
        if self._task is None and self.transports:
            self._task = asyncio.create_task(self._run(), name="slack reply stream")

    async def finish(self) -> Receipt | None:
        await self._stop()
        if self._ts is None:
            return None
        return Receipt(ref=f"{self.destination.channel}:{self._ts}", digest=text_digest(self._shown_text))

    async def discard(self) -> None:
        """Delete the shown message, unless a person stopped the stream: they have read it, so it stays."""
        await self._stop()
        if self._ts is None:
            return
        message = {"channel": self.destination.channel, "ts": self._ts}
        await _ignore_errors(self.client.call("chat.stopStream", **message))
        if not self._is_kept:
            await _ignore_errors(self.client.call("chat.delete", **message))

    async def _stop(self) -> None:
        """Stop sending updates. Wait for an update that is being sent; drop one that still waits for the rate limit."""
        self._finished.set()
        if self._task is not None:
            if self._is_sending:
                await asyncio.wait([self._task], timeout=SEND_TIMEOUT_SECONDS)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        """Send updates until the stream is finished or all transports have failed."""
        try:
            await self.acquire()
            while not self._finished.is_set():
                self._updated.clear()
                await self._send_update()
                if not self._finished.is_set():
                    await self._updated.wait()
                    await self.sleep(MIN_INTERVAL_SECONDS)
        except StreamStoppedByUser:
            self._is_kept = True
        except HandrailError:
            return

    async def _send_update(self) -> None:
        """Send the current text with the first transport that accepts it."""
        text = neutralize_prefix(self._target_text)
        while text.strip() and text != self._shown_text:
            try:
                await self._send(self.transports[0], text)
            except StreamStoppedByUser:
                raise
            except Permanent:
                self.transports.pop(0)
                if not self.transports:
                    raise
            else:
                self._shown_text = text

    async def _send(self, transport: StreamTransport, text: str) -> None:
        self._is_sending = True
        try:
            if self._ts is None:
                self._ts = await transport.start(text)
            else:
                await transport.append(self._ts, self._shown_text, text)
        finally:
            self._is_sending = False


def neutralize_prefix(text: str) -> str:
    """Return the neutralized beginning of a reply. A longer `text` yields a longer result with this one as prefix."""
    return neutralize_markdown_prefix(text[:MAX_SHOWN_LENGTH], MAX_SHOWN_LENGTH)


async def _ignore_errors(call: Awaitable[object]) -> None:
    try:
        await call
    except HandrailError:
        return
