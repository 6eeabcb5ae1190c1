"""Bounces: mail from the null sender to the return path of a message that Handrail sent (RFC 3464, RFC 5321 §4.5.5)."""

import asyncio
from dataclasses import dataclass

from channels.base import Receiver
from channels.email.addresses import unverified_address
from channels.email.bounces import Bounce, read_bounce
from channels.email.correspondence import CHANNEL
from channels.email.prescan import prescan
from channels.email.tokens import MailTokens, MessageToken
from channels.email.values import MailEnvelope
from channels.inbound import Arrival, Sender
from channels.stored_input import DeliveryFailure, InputResult, StoredInput


@dataclass(frozen=True)
class BounceHandler:
    """Reports the messages that bounced. The return path is signed, so that a bounce can name no other message."""

    tokens: MailTokens

    def find_message(self, envelope: MailEnvelope) -> MessageToken | None:
        """Return the token of the message that bounced; None if the mail is no bounce."""
        if envelope.mail_from:
            return None
        found = (self.tokens.parse_recipient(recipient) for recipient in envelope.recipients)
        return next((token for token in found if isinstance(token, MessageToken)), None)

    async def handle(self, message: MessageToken, stored: StoredInput, receiver: Receiver) -> InputResult:
        """Report a final failure, and ignore all others. Raises MailRejected and Retryable."""
        bounce = await asyncio.to_thread(_read, stored.raw.content)
        if bounce is None:
            return InputResult("ignored", "a mail to a return path that is no bounce")
        if not bounce.is_permanent:
            return InputResult("ignored", "a report of a delay or of a success")
        if not message.thread_id:
            return InputResult("ignored", "a bounce of an automatic reply")
        await receiver.report_failure(self._to_failure(message, bounce, stored))
        return InputResult("processed")

    def _to_failure(self, message: MessageToken, bounce: Bounce, stored: StoredInput) -> DeliveryFailure:
        sender = unverified_address(f"mailer-daemon@{self.tokens.address.rpartition('@')[2]}")
        ref = self.tokens.message_id_of(message)
        return DeliveryFailure(
            arrival=Arrival(CHANNEL, (f"bounce:{ref}",), Sender((sender,)), sender, stored.raw.received_at),
            thread_id=message.thread_id,
            ref=ref,
            reason=f"the mail was returned with status {bounce.status}",
        )


def _read(raw: bytes) -> Bounce | None:
    prescan(raw)
    return read_bounce(raw)
