"""What leaves for Slack: cards and words, each once, in their thread, no faster than Slack takes them."""

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, ClassVar

from agents.addresses import Address
from agents.errors import Doubtful, Permanent, Retryable
from agents.messages import Assurance, Begun, Message, Receipt
from channels.base import Capabilities, Rest
from channels.degrade import as_text, digest_of_text
from channels.slack.cards import LONGEST_TEXT, Posting, beginning, drawn, in_plain, sections_of
from channels.slack.client import SlackClient
from channels.slack.drafting import Rewritten, SlackDraft, Streamed, Way
from channels.slack.escaping import INERT, QUIET, escaped, legible
from channels.slack.failures import ContentRefused, MessageGone
from channels.slack.files import MAX_MESSAGES, file_name, share_file, upload_text
from channels.slack.finding import FILE, find_parts, metadata
from channels.slack.identity import Identity
from channels.slack.pace import Pace
from channels.slack.places import Spot, message_of, spot_of
from channels.slack.signing import Reference, sign_reference
from channels.slack.status import Status


@dataclass(frozen=True)
class Parts:
    """What a message is sent as: postings, and behind them a file, if one was uploaded, in place of the `rest`."""

    postings: tuple[Posting, ...]
    rest: tuple[Posting, ...] = ()
    file_id: str | None = None


@dataclass
class SlackChannel:
    """Posts as the app of one workspace. `key` seals the references its buttons carry.

    `on_refused_file` is called where Slack takes no file, and the whole reply goes into messages.
    """

    client: SlackClient
    identity: Identity
    pace: Pace
    key: bytes
    now: Callable[[], datetime]
    on_refused_file: Callable[[Permanent], None] = lambda _: None
    scheme: ClassVar[str] = "slack"
    capabilities: ClassVar[Capabilities] = Capabilities(
        buttons=True, links=True, edits=True, markdown=True, longest=LONGEST_TEXT, assurance=Assurance.HIGH
    )
    _status: Status = field(init=False)
    _conversations: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._status = Status(self.client, self.pace.elapsed, self.pace.sleep)

    async def close(self) -> None:
        """Give up what is shown of work, and the connections."""
        await self._status.stop()
        await self.client.close()

    def is_private(self, at: Address) -> bool:
        """A person, or the conversation the app has with one alone."""
        try:
            spot = spot_of(at)
        except Permanent:
            return False
        return not isinstance(spot, Spot) or spot.channel.startswith("D")

    def works(self, at: Address, doing: str) -> None:
        """Shown in threads, where Slack has a place for it."""
        if (thread := _thread(at)) is not None:
            self._status.works(thread, doing)

    def rests(self, at: Address, rest: Rest) -> None:
        if (thread := _thread(at)) is not None:
            self._status.rests(thread, rest)

    async def send(
        self, to: Address, message: Message, *, key: str, replacing: Receipt | None = None, again: bool = False
    ) -> Receipt:
        """Post a message, or change one. Its ref is the channel and the ts of its first part."""
        spot = await self._spot(to)
        if replacing is not None:
            return await self._changed(spot, message, key, replacing, again=again)
        return await self._posted(spot, message, key, again=again)

    async def _spot(self, to: Address) -> Spot:
        """A person is met in the conversation the app has with them alone."""
        spot = spot_of(to)
        if isinstance(spot, Spot):
            return spot
        if spot not in self._conversations:
            opened = await self.client.call("conversations.open", users=spot)
            self._conversations[spot] = str(opened["channel"]["id"])
        return Spot(self._conversations[spot])

    async def _drawn(self, message: Message, channel: str) -> tuple[Posting, ...]:
        card = message.card
        if card is None or card.status != "open":
            return drawn(message)
        about = Reference(card.request_id, card.digest)
        return drawn(message, sign_reference(self.key, about, (await self.identity.us()).home, channel))

    def draft(self, to: Address, reader: Address | None) -> SlackDraft:
        """A reply while it is written. One to somewhere else than a thread is shown once it is whole."""
        there = _thread(to)
        ways: list[Way] = []
        if there is not None:
            ways += [Streamed(self.client, self.identity, there, reader), Rewritten(self.client, there)]
        spot = there or Spot("")
        return SlackDraft(self.client, spot, ways, partial(self.pace.turn, spot.channel), self.pace.sleep)

    async def _posted(self, spot: Spot, message: Message, key: str, *, again: bool) -> Receipt:
        there = await self._there(spot, key) if again else {}
        return await self._completed(spot, message, key, await self._parts(message, spot.channel, key, there), there)

    async def _parts(self, message: Message, channel: str, key: str, there: dict[int, str]) -> Parts:
        """Draw a message: one that is too long is its beginning and a file, unless it has begun as messages."""
        postings = await self._drawn(message, channel)
        if message.card is not None or len(postings) <= MAX_MESSAGES or any(number > 0 for number in there):
            return Parts(postings)
        shown = (beginning(postings[0], len(message.text)),)
        if FILE in there:
            return Parts(shown, postings[1:])
        try:
            file_id = await upload_text(self.client, file_name(key), legible(message.text))
        except Permanent as error:
            self.on_refused_file(error)
            return Parts(postings)
        return Parts(shown, postings[1:], file_id)

    async def _completed(self, spot: Spot, message: Message, key: str, parts: Parts, there: dict[int, str]) -> Receipt:
        """Send every part that is not there. When one fails, whoever tries again looks for those that are."""
        try:
            for number, posting in enumerate(parts.postings):
                if number not in there:
                    place = Spot(spot.channel, spot.root or there.get(0))
                    there[number] = await self._post(place, posting, message, metadata(key, number))
            if parts.file_id is not None:
                await self.pace.turn(spot.channel)
                title = f"The whole reply, {len(message.text):,} characters"
                await share_file(self.client, Spot(spot.channel, spot.root or there[0]), parts.file_id, title)
        except Retryable as error:
            raise (Doubtful(str(error), retry_after=error.retry_after) if there else error) from error
        except Permanent as error:
            if parts.file_id is None or 0 not in there:
                raise
            self.on_refused_file(error)
            rest = Parts((*parts.postings, *parts.rest))
            return await self._completed(spot, message, key, rest, there)
        return await self._receipt(spot, there[0], (*parts.postings, *parts.rest))

    async def _there(self, spot: Spot, key: str) -> dict[int, str]:
        """The parts that have arrived. Where we may not look, one message too many is better than none."""
        try:
            return await find_parts(self.client, spot, key, self.now())
        except Permanent:
            return {}

    async def _post(self, spot: Spot, posting: Posting, message: Message, named: dict[str, Any]) -> str:
        await self.pace.turn(spot.channel, urgent=message.card is not None)
        thread = {"thread_ts": spot.root} if spot.root else {}
        arguments = {"channel": spot.channel, **thread, "metadata": named, **QUIET}
        return str((await self._said("chat.postMessage", posting, message, arguments))["ts"])

    async def _changed(self, spot: Spot, message: Message, key: str, replacing: Receipt, *, again: bool) -> Receipt:
        """A message that is gone, or too old to be changed, is followed by a new one in its thread."""
        channel, ts = message_of(replacing)
        at = Spot(channel, spot.root)
        there = await self._there(at, key) if again and message.card is None else {}
        parts = await self._parts(message, channel, key, there)
        if message.card is None:
            await self._end_draft(channel, ts)
        await self.pace.turn(f"{channel}:{ts}", urgent=True)
        try:
            named = {"channel": channel, "ts": ts} | ({} if message.card else {"metadata": metadata(key, 0)})
            await self._said("chat.update", parts.postings[0], message, named)
        except MessageGone:
            return await self._completed(at, message, key, parts, await self._there(at, key))
        rest = await self._completed(at, message, key, parts, there | {0: ts})
        return Receipt(ref=replacing.ref, digest=rest.digest)

    async def _end_draft(self, channel: str, ts: str) -> None:
        """What is still being streamed cannot be changed. What was not streamed, or has ended, is no stream."""
        with suppress(Permanent):
            await self.client.call("chat.stopStream", channel=channel, ts=ts)

    async def _said(self, method: str, posting: Posting, message: Message, arguments: dict[str, Any]) -> dict[str, Any]:
        """What Slack does not take as it is drawn, it may take as plain text; of words none are left out by that."""
        try:
            blocks = list(posting.blocks)
            return await self.client.call(method, text=posting.text, blocks=blocks, **INERT, **arguments)
        except ContentRefused:
            told = {**INERT, **arguments}
            if message.card is None:
                return await self.client.call(method, text=posting.text, blocks=list(in_plain(posting)), **told)
            plain = legible(as_text(message, self.capabilities))
            blocks = list(sections_of(plain))
            return await self.client.call(method, text=escaped(plain, LONGEST_TEXT), blocks=blocks, **told)

    async def _receipt(self, spot: Spot, ts: str, postings: Sequence[Posting]) -> Receipt:
        """What is said about a message outside of any thread comes in from a thread of its own."""
        ref = f"{spot.channel}:{ts}"
        begun = (
            Begun(address=Address(f"slack:{ref}"), place=f"{(await self.identity.us()).home}:{ref}")
            if not spot.root
            else None
        )
        return Receipt(ref=ref, digest=_digest(postings), begun=begun)


def _thread(at: Address) -> Spot | None:
    try:
        spot = spot_of(at)
    except Permanent:
        return None
    return spot if isinstance(spot, Spot) and spot.root else None


def _digest(postings: Sequence[Posting]) -> str:
    return digest_of_text(json.dumps([[posting.text, posting.blocks] for posting in postings]))
