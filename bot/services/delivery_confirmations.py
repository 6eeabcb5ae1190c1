"""Reports of channels about messages that they name by their own ids only, such as those of a text message service."""

from dataclasses import dataclass, replace
from functools import partial

from agents.core.errors import ThreadNotFound, Unavailable, WrongState
from agents.core.events import DeliveryConfirmed, KnownEvent
from agents.core.state import ThreadState
from agents.core.values import Address
from bot.services.delivery_reports import MAX_RECORDING_TIME, DeliveryReports
from channels.inbound import Arrival
from channels.stored_input import DeliveryConfirmation, DeliveryFailure
from storage.inbox import find_linked_thread
from storage.outbox import has_pending_on


@dataclass(frozen=True)
class DeliveryConfirmations:
    """Finds the thread of a reported message, and records that a card reached its recipient."""

    reports: DeliveryReports

    async def confirm(self, confirmation: DeliveryConfirmation) -> None:
        """Record the confirmation of a card of an open request. Raises Unavailable and StoreUnavailable."""
        thread_id = await self._find_thread(confirmation.arrival, confirmation.ref)
        if thread_id is None:
            return
        try:
            await self.reports.engine.apply(thread_id, partial(self._decide, confirmation=confirmation))
        except (ThreadNotFound, WrongState):  # it is gone, or only a newer version can read it
            return

    def _decide(self, state: ThreadState, confirmation: DeliveryConfirmation) -> tuple[KnownEvent, ...]:
        """Return the event for the card with this ref, if it waits for one."""
        request = state.open_request
        cards = () if request is None else request.cards
        card = next((card for card in cards if card.receipt.ref == confirmation.ref), None)
        if request is None or card is None or card.confirm_by is None:
            return ()
        actor = Address(f"channel:{card.address.scheme}")
        now = self.reports.clock.now()
        return (DeliveryConfirmed(at=now, actor=actor, request_id=request.id, to=card.address, ref=confirmation.ref),)

    async def record_failure(self, failure: DeliveryFailure) -> None:
        """Record the failure in the thread of the message, which it need not name. Raises as `confirm`."""
        thread_id = failure.thread_id or await self._find_thread(failure.arrival, failure.ref)
        if thread_id is not None:
            await self.reports.record(replace(failure, thread_id=thread_id))

    async def _find_thread(self, arrival: Arrival, ref: str) -> str | None:
        """Return the thread whose message has this key. Raises Unavailable if its delivery may not be recorded yet."""
        database = self.reports.engine.database
        find = partial(find_linked_thread, channel=arrival.channel, conversation_keys=(ref,))
        thread_id = await database.read(find)
        if thread_id is None and self.reports.clock.now() - arrival.at < MAX_RECORDING_TIME:
            is_being_sent = await database.read(partial(has_pending_on, scheme=arrival.channel))
            if is_being_sent:
                raise Unavailable("no message with this id is recorded yet")
            return await database.read(find)  # recorded between the two reads
        return thread_id
