"""Digests: cards that open at about the same time for one address become one message.

An open card for a DigestChannel waits for two seconds. If at least `digest_threshold` cards for its address are pending
or were shown in the last minute and are still open, one message shows all of them. After a digest, the next cards for
the address wait until a minute has passed. The order of the messages of each thread is kept.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from hashlib import sha256

from sqlalchemy import Connection

from agents.core.cards import render_card
from agents.core.errors import StoreUnavailable
from agents.core.messages import Card, Message
from agents.core.requests import Request
from agents.core.values import Address
from bot.delivery.card_adaptation import CardAdapter
from channels.base import Channel, DigestChannel
from storage.database.database import Database
from storage.outbox import OutboxMessage, assign_digest, list_pending_of_address
from storage.requests import list_requests
from storage.schedule import block_until, blocked_until

COLLECTING_TIME = timedelta(seconds=2)
"""Time that an open card waits for others."""
DIGEST_INTERVAL = timedelta(seconds=60)
"""Minimum time between two digests for one address, and the time within which its cards count together."""
MAX_DIGEST_CARDS = 100
_MAX_CANDIDATES = 200
"""Limit on the pending messages, and on the newest open requests, that are searched for cards for an address."""


class NotDue(Exception):
    """A message must not be sent before `at`, to wait for others."""

    def __init__(self, at: datetime) -> None:
        super().__init__()
        self.at = at


@dataclass(frozen=True)
class Digest:
    """Cards for one address: pending ones, the oldest first, and the requests of cards that were shown before.

    `key` is the delivery key. It is stored with the pending cards before the first attempt, so that later attempts send
    the same message and leave newer cards out.
    """

    pending: tuple[OutboxMessage, ...]
    shown: tuple[Request, ...]
    key: str


@dataclass(frozen=True)
class DigestPlanner:
    """Decides whether a card is sent now, on its own or in a digest."""

    database: Database
    now: Callable[[], datetime]

    async def plan(self, message: OutboxMessage, channel: Channel) -> Digest | None:
        """Return the digest that delivers this message, None if it is sent alone.

        Raises NotDue if it has to wait, and StoreUnavailable.
        """
        threshold = channel.capabilities.digest_threshold
        if threshold < 1 or not isinstance(channel, DigestChannel) or not _is_new_open_card(message):
            return None
        now = self.now()
        found = await self.database.read(partial(_find_cards, to=message.effect.to, now=now))
        own = next((one for one in found.pending if delivery_key(one) == delivery_key(message)), None)
        if own is not None and own.digest_key is not None:  # an earlier attempt may have sent it
            begun = tuple(one for one in found.pending if one.digest_key == own.digest_key)
            return Digest(begun, found.shown, own.digest_key)
        due_at = max(message.created_at + COLLECTING_TIME, found.blocked or message.created_at)
        if now < due_at:
            raise NotDue(due_at)
        pending = tuple(one for one in found.pending if one.digest_key is None)
        count = len({one.effect.request_id for one in pending}) + len(found.shown)
        if own is None or count < threshold:
            return None
        key = _new_key(pending)
        await self.database.transaction(partial(assign_digest, messages=pending, digest_key=key))
        return Digest(pending, found.shown, key)

    async def block(self, to: Address) -> None:
        """Let the next cards for this address wait. While the database is unavailable, they do not wait."""
        with suppress(StoreUnavailable):
            until = self.now() + DIGEST_INTERVAL
            await self.database.transaction(partial(block_until, name=_block_name(to), until=until))


@dataclass(frozen=True)
class _FoundCards:
    """Cards that could be in a digest, and the time before which there must be none."""

    pending: tuple[OutboxMessage, ...]
    shown: tuple[Request, ...]
    blocked: datetime | None


def _new_key(pending: Sequence[OutboxMessage]) -> str:
    """Return a delivery key that belongs to the thread of the oldest card."""
    parts = "\n".join(map(delivery_key, pending))
    return f"{pending[0].thread_id}:digest:{sha256(parts.encode()).hexdigest()[:16]}"


def delivery_key(message: OutboxMessage) -> str:
    """Return a key that is unique in all threads; that of an effect is unique only within its thread."""
    return f"{message.thread_id}:{message.effect.key}"


async def cards_of(digest: Digest, adapter: CardAdapter, channel: Channel) -> tuple[Card, ...]:
    """Return the cards to show, one for each request, adapted to their reader. Raises StoreUnavailable."""
    to, cards = digest.pending[0].effect.to, dict[str, Card]()
    for key, thread_id, message in _messages_of(digest):
        adapted = await adapter.adapt(message, thread_id=thread_id, to=to, channel=channel, delivery_key=key)
        if adapted.card is not None:
            cards[adapted.card.request_id] = adapted.card
    return tuple(cards.values())


def _messages_of(digest: Digest) -> Iterator[tuple[str, str, Message]]:
    """Yield the delivery key, thread and message of each card; those that were shown before come first."""
    for request in digest.shown:
        yield f"{digest.key}:{request.id}", request.thread_id, render_card(request)
    for pending in digest.pending:
        yield delivery_key(pending), pending.thread_id, pending.effect.message


def _find_cards(connection: Connection, to: Address, now: datetime) -> _FoundCards:
    pending = tuple(_cards_in_order(list_pending_of_address(connection, to, _MAX_CANDIDATES)))[:MAX_DIGEST_CARDS]
    requests = list_requests(connection, status="open", thread_id=None, before=None, limit=_MAX_CANDIDATES)
    shown = _recently_shown(reversed(requests), to, now - DIGEST_INTERVAL)
    pending_ids = {message.effect.request_id for message in pending}
    others = tuple(request for request in shown if request.id not in pending_ids)
    return _FoundCards(pending, others[:MAX_DIGEST_CARDS], blocked_until(connection, _block_name(to)))


def _cards_in_order(messages: Sequence[OutboxMessage]) -> Iterator[OutboxMessage]:
    """Yield the new open cards before which no other message of their thread is waiting."""
    held_up = set[str]()
    for message in messages:
        if not _is_new_open_card(message):
            held_up |= {message.thread_id} if message.effect.replaces is None else set()
        elif message.thread_id not in held_up:
            yield message


def _is_new_open_card(message: OutboxMessage) -> bool:
    card = message.effect.message.card
    return card is not None and card.status == "open" and message.effect.replaces is None


def _recently_shown(requests: Iterable[Request], to: Address, since: datetime) -> Iterator[Request]:
    for request in requests:
        shown = (card.shown_at for card in request.cards if card.address == to)
        if any(at is not None and at > since for at in shown):
            yield request


def _block_name(to: Address) -> str:
    return f"digest for {to}"
