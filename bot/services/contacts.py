"""Facts about the addresses of channels: opt-outs, unknown senders and the last message that was sent."""

from dataclasses import dataclass
from functools import partial

from agents.core.requests import Request
from agents.core.values import Address
from bot.services.delivery_reports import DeliveryReports
from bot.services.ids import Clock
from channels.inbound import Arrival
from channels.stored_input import OptOut, SentMessage
from storage.contacts import is_opted_out, opt_in, opt_out, record_unknown_sender
from storage.database.database import Database
from storage.requests import list_requests
from storage.sent_messages import find_last

OPT_OUT_REASON = "the recipient has opted out of messages"

_MAX_REQUESTS = 200
"""Limit on the newest open requests that are searched for cards at an address."""


@dataclass(frozen=True)
class ContactService:
    """Service for what is known about addresses. All methods raise StoreUnavailable."""

    database: Database
    delivery_reports: DeliveryReports
    clock: Clock

    async def report_opt_out(self, report: OptOut) -> None:
        """Record an opt-out or its end. The same report may come again, as after a crash."""
        address = report.arrival.source
        if report.is_opted_out:
            await self.record_opt_out(address)
        else:
            await self.database.transaction(partial(opt_in, address=address))

    async def record_opt_out(self, address: Address) -> None:
        """Record that an address takes no more messages. The open requests shown there move to their next step.

        Messages that wait for the address become undeliverable when they are due.
        """
        await self.database.transaction(partial(opt_out, address=address, at=self.clock.now()))
        for request in await self._list_requests_at(address):
            for card in request.cards:
                if card.address == address:
                    await self.delivery_reports.record_in(request.thread_id, card.receipt.ref, OPT_OUT_REASON)

    async def is_opted_out(self, address: Address) -> bool:
        """Return whether the address takes no messages."""
        return await self.database.read(partial(is_opted_out, address=address))

    async def report_unknown_sender(self, arrival: Arrival) -> None:
        """Record or count an input of a sender whom `handrail.toml` does not name."""
        record = partial(record_unknown_sender, address=arrival.sender.identities[0], at=arrival.at)
        await self.database.transaction(record)

    async def find_last_message(self, to: Address) -> SentMessage | None:
        """Return the last message that a metered channel sent to an address, None without one."""
        found = await self.database.read(partial(find_last, address=to))
        return None if found is None else SentMessage(found.at, found.request_id)

    async def _list_requests_at(self, address: Address) -> list[Request]:
        read = partial(list_requests, status="open", thread_id=None, before=None, limit=_MAX_REQUESTS)
        requests = await self.database.read(read)
        return [request for request in requests if any(card.address == address for card in request.cards)]
