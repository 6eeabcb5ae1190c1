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
from channels.slack.cards import LONGEST_TEXT, Posting, drawn, in_plain
from channels.slack.client import SlackClient
from channels.slack.drafting import Rewritten, SlackDraft, Streamed, Way
from channels.slack.escaping import escaped, legible
from channels.slack.failures import ContentRefused, MessageGone
from channels.slack.finding import find_parts, metadata
from channels.slack.identity import Identity
from channels.slack.pace import Pace
from channels.slack.places import Spot, message_of, spot_of
from channels.slack.signing import Reference, sign_reference
from channels.slack.status import Status

_QUIET = {"unfurl_links": False, "unfurl_media": False}
"""What a model writes fetches no page (docs.slack.dev/messaging/unfurling-links-in-messages)."""

_INERT = {"link_names": False, "parse": "none"}
"""Where `text` is shown, it calls nobody and makes no links (docs.slack.dev/reference/methods/chat.postMessage)."""


@dataclass
class SlackChannel:
    """Posts as the app of one workspace. `key` seals the references its buttons carry."""

    client: SlackClient
    identity: Identity
    pace: Pace
    key: bytes
    now: Callable[[], datetime]
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

    async def _posted(
        self, spot: Spot, message: Message, key: str, *, again: bool, begun: str | None = None
    ) -> Receipt:
        """Every part that is not there. When one fails, whoever tries again looks for those that are."""
        postings = await self._drawn(message, spot.channel)
        there = await self._there(spot, key) if again else {}
        there |= {} if begun is None else {0: begun}
        for number, posting in enumerate(postings):
            if number in there:
                continue
            place = Spot(spot.channel, spot.root or there.get(0))
            try:
                there[number] = await self._post(place, posting, message, metadata(key, number))
            except Retryable as error:
                raise (Doubtful(str(error), retry_after=error.retry_after) if there else error) from error
        return await self._receipt(spot, there[0], postings)

    async def _there(self, spot: Spot, key: str) -> dict[int, str]:
        """The parts that have arrived. Where we may not look, one message too many is better than none."""
        try:
            return await find_parts(self.client, spot, key, self.now())
        except Permanent:
            return {}

    async def _post(self, spot: Spot, posting: Posting, message: Message, named: dict[str, Any]) -> str:
        await self.pace.turn(spot.channel, urgent=message.card is not None)
        thread = {"thread_ts": spot.root} if spot.root else {}
        arguments = {"channel": spot.channel, **thread, "metadata": named, **_QUIET}
        return str((await self._said("chat.postMessage", posting, message, arguments))["ts"])

    async def _changed(self, spot: Spot, message: Message, key: str, replacing: Receipt, *, again: bool) -> Receipt:
        """A message that is gone, or too old to be changed, is followed by a new one in its thread."""
        channel, ts = message_of(replacing)
        posting = (await self._drawn(message, channel))[0]
        if message.card is None:
            await self._end_draft(channel, ts)
        await self.pace.turn(f"{channel}:{ts}", urgent=True)
        try:
            named = {"channel": channel, "ts": ts} | ({} if message.card else {"metadata": metadata(key, 0)})
            await self._said("chat.update", posting, message, named)
        except MessageGone:
            return await self._posted(Spot(channel, spot.root), message, key, again=True)
        rest = await self._posted(Spot(channel, spot.root), message, key, again=again, begun=ts)
        return Receipt(ref=replacing.ref, digest=rest.digest)

    async def _end_draft(self, channel: str, ts: str) -> None:
        """What is still being streamed cannot be changed. What was not streamed, or has ended, is no stream."""
        with suppress(Permanent):
            await self.client.call("chat.stopStream", channel=channel, ts=ts)

    async def _said(self, method: str, posting: Posting, message: Message, arguments: dict[str, Any]) -> dict[str, Any]:
        """What Slack does not take as it is drawn, it may take as plain text; of words none are left out by that."""
        try:
            blocks = list(posting.blocks)
            return await self.client.call(method, text=posting.text, blocks=blocks, **_INERT, **arguments)
        except ContentRefused:
            told = {**_INERT, **arguments}
            if message.card is None:
                return await self.client.call(method, text=posting.text, blocks=list(in_plain(posting)), **told)
            plain = escaped(legible(as_text(message, self.capabilities)), LONGEST_TEXT)
            return await self.client.call(method, text=plain, blocks=[], **told)

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
