"""Processing of the final states of sent messages: whether they reached the phone."""

from agents.core.values import Address
from channels.base import Receiver
from channels.inbound import Arrival, Sender
from channels.sms.errors import OPTED_OUT_CODE, describe_failure
from channels.sms.values import CHANNEL, StatusUpdate
from channels.stored_input import DeliveryConfirmation, DeliveryFailure, InputResult, StoredInput

_PROVIDER = Address(f"channel:{CHANNEL}")


async def process_status(update: StatusUpdate, stored: StoredInput, receiver: Receiver) -> InputResult:
    """Report the state of a message; the first of two final states counts. Raises Retryable."""
    arrival = Arrival(
        channel=CHANNEL,
        dedup_keys=(f"{update.sid}:failed",),
        sender=Sender((_PROVIDER,)),
        source=_PROVIDER,
        at=stored.raw.received_at,
    )
    if update.has_arrived:
        await receiver.report_delivery(DeliveryConfirmation(arrival, update.sid))
        return InputResult("processed")
    reason = describe_failure(update.error_code)
    if update.error_code == OPTED_OUT_CODE:
        reason = "the recipient has opted out of messages"
    await receiver.report_failure(DeliveryFailure(arrival, None, update.sid, reason))
    return InputResult("processed")
