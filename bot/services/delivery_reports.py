"""Reports of messages that a channel had accepted and could not deliver afterwards, such as mails that bounce."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from sqlalchemy import Connection

from agents.core.errors import ThreadNotFound, Unavailable, WrongState
from agents.core.escalation import escalation_follow_ups
from agents.core.events import (
    Event,
    KnownEvent,
    MessageSent,
    MessageUndeliverable,
    NoticeGiven,
    ReplyChosen,
    RequestShown,
)
from agents.core.people import People
from agents.core.requests import PostedCard
from agents.core.state import ThreadState
from agents.core.values import ENGINE, Address
from bot.services.engine import Engine
from bot.services.ids import Clock
from channels.stored_input import DeliveryFailure
from storage.event_store import PAGE_SIZE, events_after
from storage.inbox import IdempotencyClaim
from storage.requests import list_requests

_REPLY_PREFIX = "reply:"
MAX_RECORDING_TIME = timedelta(seconds=60)
"""Age of a report up to which its message may still be without a record."""


@dataclass(frozen=True)
class Delivery:
    """The event of a message that a channel had accepted, and the text of the message if it was a reply."""

    event: RequestShown | MessageSent
    reply: str | None = None


@dataclass(frozen=True)
class DeliveryReports:
    """Records that accepted messages were not delivered, and what follows from that, in one commit."""

    engine: Engine
    clock: Clock
    people: People

    async def record(self, failure: DeliveryFailure) -> None:
        """Record a failure once, in each thread of the message: a digest shows cards of several threads.

        It is ignored if no thread has sent such a message. Raises StoreUnavailable, and Unavailable while the delivery
        of the message may not be recorded yet: a crash can delay that.
        """
        for thread_id in await self.engine.database.read(partial(_list_threads, failure=failure)):
            arrival = failure.arrival
            has_claim = arrival.dedup_keys and thread_id == failure.thread_id
            claim = IdempotencyClaim(arrival.channel, arrival.dedup_keys) if has_claim else None
            is_found = await self.record_in(thread_id, failure.ref, failure.reason, claim)
            if not is_found and self.clock.now() - arrival.at < MAX_RECORDING_TIME:
                raise Unavailable("the delivery of this message is not recorded yet")

    async def record_in(self, thread_id: str, ref: str, reason: str, claim: IdempotencyClaim | None = None) -> bool:
        """Record once in a thread that its message with this ref was not delivered. Return False if it has none.

        Raises StoreUnavailable.
        """
        delivery = await self.engine.database.read(partial(find_delivery, thread_id=thread_id, ref=ref))
        if not isinstance(delivery, Delivery):
            return delivery is not None
        # A thread that is gone, or that only a newer version can read, cannot record it.
        with suppress(ThreadNotFound, WrongState):
            await self.engine.apply(thread_id, partial(self._decide, delivery=delivery, reason=reason), claim=claim)
        return True

    def _decide(self, state: ThreadState, delivery: Delivery, reason: str) -> tuple[KnownEvent, ...]:
        """Return the events of a failure; none if its card reached its recipient, as reports can change their order."""
        cards = () if state.open_request is None else state.open_request.cards
        if any(card.confirmed_at is not None and card.receipt == delivery.event.receipt for card in cards):
            return ()
        event = self._undeliverable_event(state, delivery.event, reason)
        return (event, *escalation_follow_ups(state, event, self.people), *self._forward(state, event, delivery.reply))

    def _undeliverable_event(
        self, state: ThreadState, sent: RequestShown | MessageSent, reason: str
    ) -> MessageUndeliverable:
        request = state.get_request(sent.request_id) if isinstance(sent, RequestShown) else None
        return MessageUndeliverable(
            at=self.clock.now(),
            actor=Address(f"channel:{sent.to.scheme}"),
            key=sent.key,
            to=sent.to,
            reason=reason,
            request_id=request.id if request is not None and request.status == "open" else None,
            receipt=sent.receipt,
        )

    def _forward(self, state: ThreadState, event: MessageUndeliverable, reply: str | None) -> Iterator[NoticeGiven]:
        """Yield a notice with the text of a reply to another address of the requester, if there is one."""
        if reply is None:
            return
        addresses = self.people.direct_addresses(state.requester, event.to.scheme)
        other = next((address for address in addresses if address != event.to), None)
        if other is not None:
            text = f"This reply could not be delivered ({event.reason}):\n\n{reply}"
            yield NoticeGiven(at=event.at, actor=ENGINE, text=text, to=other)


_MAX_REQUESTS = 200
"""Limit on the newest open requests that are searched for cards of the message."""


def _list_threads(connection: Connection, failure: DeliveryFailure) -> list[str]:
    """Return the thread of the failure, and those with an open request whose card was in the same message."""
    requests = list_requests(connection, status="open", thread_id=None, before=None, limit=_MAX_REQUESTS)
    others = (request.thread_id for request in requests if any(_is_in_message(card, failure) for card in request.cards))
    own = () if failure.thread_id is None else (failure.thread_id,)
    return list(dict.fromkeys((*own, *others)))


def _is_in_message(card: PostedCard, failure: DeliveryFailure) -> bool:
    return card.receipt.ref == failure.ref and card.address.scheme == failure.arrival.channel


def find_delivery(connection: Connection, thread_id: str, ref: str) -> Delivery | MessageUndeliverable | None:
    """Return the delivery of the message with this ref, or the event of its failure; None if there is neither."""
    found: RequestShown | MessageSent | MessageUndeliverable | None = None
    replies = dict[str, str]()
    for seq, event in _all_events(connection, thread_id):
        if isinstance(event, ReplyChosen):
            replies[f"{_REPLY_PREFIX}{seq}"] = event.text
        elif isinstance(event, RequestShown | MessageSent | MessageUndeliverable):
            found = event if event.receipt is not None and event.receipt.ref == ref else found
    if found is None or isinstance(found, MessageUndeliverable):
        return found
    return Delivery(found, replies.get(found.key.partition(">")[0]))


def _all_events(connection: Connection, thread_id: str) -> Iterator[tuple[int, Event]]:
    seq = 0
    while page := events_after(connection, thread_id, seq, PAGE_SIZE):
        yield from page
        seq = page[-1][0]
