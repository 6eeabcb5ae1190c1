"""Processing of one stored mail: who wrote it, to which thread it belongs, and whether it decides requests.

Processing may be repeated after a crash. Each message and each answer has a dedup key, so that it has its effect once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from channels.base import Receiver, Runtime
from channels.email.answer_handler import AnswerHandler
from channels.email.automatic_mail import classify, is_storm, may_reply
from channels.email.automatic_replies import AnswerReport, compose_reply, report_message_refused
from channels.email.bounce_handler import BounceHandler
from channels.email.correspondence import CHANNEL, ReceivedMail, ThreadReference, find_thread_reference
from channels.email.tokens import MailTokens
from channels.email.values import DnsUnavailable, MailEnvelope, MailRejected, ParsedMail
from channels.email.verdicts import parse_verdicts
from channels.inbound import InboundMessage, Overview, Refusal
from channels.stored_input import InputResult, StoredInput

MAX_DNS_WAIT = timedelta(hours=2)
"""Age of a mail from which its sender counts as not authenticated if DNS still does not answer."""

MAX_RECORDING_TIME = timedelta(seconds=60)
"""Time after which the mail to which another one replies is recorded: within it, a crash may have delayed that."""

MAX_UNVERIFIED_PER_HOUR = 30
"""Limit on the mails of all senders together who are not authenticated: each could pretend to be another one."""
UNVERIFIED_REASON = "posted as a message of a sender who is not authenticated"
_MAX_OVERVIEW_REQUESTS = 10


class MailReader(Protocol):
    """Reader of raw mails, as `reader_pool.ReaderPool`."""

    async def read(self, raw: bytes, envelope: MailEnvelope, *, is_dns_required: bool = True) -> ParsedMail:
        """Return the mail. Raises MailRejected, and DnsUnavailable if `is_dns_required`."""
        ...


@dataclass(frozen=True)
class MailInputHandler:
    """Processes stored mails.

    In a local trial, whose mails do not leave the machine, a mail does not wait for DNS, and senders need not be
    authenticated for their mails to be linked to a thread.
    """

    tokens: MailTokens
    reader: MailReader
    now: Callable[[], datetime]
    is_local_trial: bool = False

    async def process(self, stored: StoredInput, runtime: Runtime) -> InputResult:
        """Process a mail. Raises Retryable; a mail that cannot be read is quarantined."""
        try:
            envelope = MailEnvelope.from_metadata(stored.raw.metadata)
            return await self._process(stored, envelope, runtime.receiver)
        except MailRejected as error:
            return InputResult("quarantined", str(error))

    async def _process(self, stored: StoredInput, envelope: MailEnvelope, receiver: Receiver) -> InputResult:
        bounces = BounceHandler(self.tokens)
        if (bounced := bounces.find_message(envelope)) is not None:
            return await bounces.handle(bounced, stored, receiver)
        parsed = await self._read(stored, envelope)
        if (reason := classify(parsed, envelope, self.tokens)) is not None:
            return InputResult("ignored", reason)
        received = ReceivedMail.identify(parsed, envelope, stored, self.tokens)
        if not received.is_authenticated:
            return await self._process_unverified(received, stored, receiver)
        return await self._process_authenticated(received, stored, receiver)

    async def _read(self, stored: StoredInput, envelope: MailEnvelope) -> ParsedMail:
        age = self.now() - stored.raw.received_at
        try:
            return await self.reader.read(stored.raw.content, envelope)
        except DnsUnavailable:
            if age < MAX_DNS_WAIT and not self.is_local_trial:
                raise
        return await self.reader.read(stored.raw.content, envelope, is_dns_required=False)

    async def _process_unverified(self, received: ReceivedMail, stored: StoredInput, receiver: Receiver) -> InputResult:
        """Post the mail as an untrusted message. It decides nothing, and its sender gets no automatic reply."""
        if parse_verdicts(received.parsed.decision_lines).verdicts:
            return InputResult("ignored", "a verdict of a sender who is not authenticated")
        if is_storm(stored.recent_count, has_token=received.has_token, is_known=False):
            return InputResult("ignored", "too many mails of this sender")
        if await receiver.count_recent_inputs(CHANNEL, UNVERIFIED_REASON) >= MAX_UNVERIFIED_PER_HOUR:
            return InputResult("ignored", "too many mails of senders who are not authenticated")
        await self._post(received, receiver)
        return InputResult("processed", UNVERIFIED_REASON)

    async def _process_authenticated(
        self, received: ReceivedMail, stored: StoredInput, receiver: Receiver
    ) -> InputResult:
        overview = await receiver.overview(received.arrival().sender, _MAX_OVERVIEW_REQUESTS)
        may_wait = self.now() - stored.raw.received_at < MAX_RECORDING_TIME
        answers = AnswerHandler(receiver, received, overview, may_wait=may_wait)
        reports = await answers.answer(parse_verdicts(received.parsed.decision_lines))
        if reports is None:
            if is_storm(stored.recent_count, has_token=received.has_token, is_known=overview.person is not None):
                return InputResult("ignored", "too many mails of this sender")
            reports = await self._post(received, receiver)
        reply = compose_reply(received, reports) if _should_reply(received, overview) else None
        return InputResult("processed", reply=reply)

    async def _post(self, received: ReceivedMail, receiver: Receiver) -> list[AnswerReport]:
        """Post the mail to its thread, or open one, and return the report of a refusal."""
        parsed = received.parsed
        reference = find_thread_reference(parsed, received.recipients, self.tokens)
        is_linked = received.is_authenticated or self.is_local_trial  # else a forger could claim the id of another mail
        message_ids = (parsed.message_id,) if parsed.message_id and is_linked else ()
        posted = await receiver.post_message(
            InboundMessage(
                arrival=received.arrival(),
                text=parsed.new_text.strip() or parsed.subject,
                thread_id=await _find_thread(reference, received, receiver),
                conversation_keys=reference.conversation_keys,
                linked_keys=message_ids,
                may_name_agent=True,
                ref=parsed.message_id,
                quotes=parsed.quotes,
                file_names=tuple(attachment.name for attachment in parsed.attachments),
                title=parsed.subject or None,
                requires_access=True,
            )
        )
        return [] if posted.refusal is None else [report_message_refused(posted.refusal.text, posted.thread_id)]


async def _find_thread(reference: ThreadReference, received: ReceivedMail, receiver: Receiver) -> str | None:
    """Return the id of the thread to which a mail refers by a token or by a Message-ID that Handrail made."""
    if reference.request_id is None:
        return reference.thread_id
    was_shown = received.request_token(reference.request_id) is not None
    found = await receiver.find_request(reference.request_id, received.arrival(), was_shown=was_shown)
    return None if isinstance(found, Refusal) else found.thread_id


def _should_reply(received: ReceivedMail, overview: Overview) -> bool:
    """Return whether the sender may get an automatic reply: a known person whose mail does not refuse one."""
    return overview.person is not None and may_reply(received.parsed)
