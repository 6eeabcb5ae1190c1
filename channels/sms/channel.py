"""SMS channel: sends each message as one SMS, or as several numbered ones if it is long.

An SMS cannot be edited. An update of a card is sent only if the call that the card shows has changed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ClassVar, Protocol
from urllib.parse import quote

from agents.core.errors import Permanent, Retryable
from agents.core.messages import Assurance, Card, Message, Receipt
from agents.core.values import Address
from channels.base import Capabilities, SendBudget
from channels.sms.client import CallbackRefused
from channels.sms.rendering import render_card_text, render_reply
from channels.sms.segments import count_segments
from channels.sms.values import CHANNEL, PHONE_NUMBER
from channels.text import text_digest

CONFIRM_WITHIN = timedelta(minutes=2)
"""Time for the carrier's receipt, after which the card counts as undeliverable."""
CONTACT_LIMITS = (
    (5, timedelta(minutes=15)),
    (11, timedelta(hours=1)),
    (21, timedelta(hours=3)),
)
"""Messages to one person within a period, beyond which further ones about the same matter wait."""
LOOK_BACK = timedelta(minutes=15)
"""Age of the messages among which one that may have been sent is searched."""
RETRY_SECONDS = 2 * 3600.0
DEFAULT_VALIDITY_SECONDS, MAX_VALIDITY_SECONDS = 14_400, 36_000


class MessageApi(Protocol):
    """Part of `client.SmsApi` that sends messages."""

    async def create(self, to: str, body: str, *, validity_seconds: int, callback_url: str | None) -> str: ...

    async def find_sent(self, to: str, body: str, since: datetime) -> str | None: ...


def create_capabilities(daily_segments: int) -> Capabilities:
    """Return the capabilities of SMS with a limit on the segments of all messages in 24 hours."""
    return Capabilities(
        has_answer_links=True,
        reply_instructions=("{code} OK", "{code} NO REASON"),
        assurance=Assurance.LOW,
        retry_for_seconds=RETRY_SECONDS,
        budget=SendBudget(CONTACT_LIMITS, daily_segments),
    )


@dataclass
class SmsChannel:
    """Channel that sends over Twilio.

    `countries` are the beginnings of the numbers that get messages, such as `+49`; without any, all numbers do.
    `callback_url` is where Twilio reports what became of a message, None if Twilio cannot reach this server.
    """

    api: MessageApi
    now: Callable[[], datetime]
    capabilities: Capabilities
    countries: Sequence[str] = ()
    callback_url: str | None = None
    scheme: ClassVar[str] = CHANNEL
    _sent_parts: dict[str, list[str]] = field(default_factory=dict)
    """SIDs of the parts of long messages that were not sent completely, by key."""

    def is_private(self, address: Address) -> bool:  # noqa: ARG002 - each number is that of one person
        return True

    def count_units(self, to: Address, message: Message) -> int:  # noqa: ARG002 - each number has the same price here
        """Return the number of segments."""
        return sum(map(count_segments, self.render(message)[0]))

    async def send(
        self,
        to: Address,
        message: Message,
        *,
        key: str,
        replaces: Receipt | None = None,
        may_have_been_sent: bool = False,
    ) -> Receipt:
        """Send a message. The receipt's ref is the SID of its last part."""
        self._check_recipient(to)
        texts, digest = self.render(message)
        if replaces is not None and (not _is_open(message.card) or digest == replaces.digest):
            return replaces
        sids = await self._send_parts(to.id, texts, message, key, may_have_been_sent=may_have_been_sent)
        confirm_by = self.now() + CONFIRM_WITHIN if _is_open(message.card) else None
        return Receipt(ref=sids[-1], digest=digest, conversation_keys=tuple(sids), confirm_by=confirm_by)

    async def _send_parts(
        self, to: str, texts: Sequence[str], message: Message, key: str, *, may_have_been_sent: bool
    ) -> list[str]:
        """Send the parts that earlier attempts have not sent, and return the SIDs of all."""
        sids = self._sent_parts.setdefault(key, [])
        try:
            for text in texts[len(sids) :]:
                sid = await self._find(to, text) if may_have_been_sent else None
                sids.append(sid or await self._create(to, text, message, key))
        except Retryable:
            raise
        except BaseException:
            self._sent_parts.pop(key, None)
            raise
        return self._sent_parts.pop(key)

    def _check_recipient(self, to: Address) -> None:
        if not PHONE_NUMBER.fullmatch(to.id):
            raise Permanent("this is not a phone number")
        if self.countries and not to.id.startswith(tuple(self.countries)):
            raise Permanent("SMS_COUNTRIES does not list the country of the number")

    def render(self, message: Message) -> tuple[list[str], str]:
        """Return the texts of the parts, and the digest of what they show."""
        if message.card is None:
            return render_reply(message.text), text_digest(message.text)
        rendered = render_card_text(message.card, self.now())
        return [rendered.text], rendered.digest

    async def _find(self, to: str, text: str) -> str | None:
        return await self.api.find_sent(to, text, self.now() - LOOK_BACK)

    async def _create(self, to: str, text: str, message: Message, key: str) -> str:
        url = None if self.callback_url is None else f"{self.callback_url}?key={quote(key, safe='')}"
        validity = self._validity_seconds(message.card)
        try:
            return await self.api.create(to, text, validity_seconds=validity, callback_url=url)
        except CallbackRefused:
            return await self.api.create(to, text, validity_seconds=validity, callback_url=None)

    def _validity_seconds(self, card: Card | None) -> int:
        """Return the time for which the carrier tries: no longer than the request is open."""
        if card is None or card.expires_at is None:
            return DEFAULT_VALIDITY_SECONDS
        return min(max(1, int((card.expires_at - self.now()).total_seconds())), MAX_VALIDITY_SECONDS)


def _is_open(card: Card | None) -> bool:
    return card is not None and card.status == "open"
