"""The sender, the request and the thread of a mail, according to its recipients and headers; the subject never counts.

A token in a recipient's address counts first, because servers and apps replace Message-IDs and drop References. Then
come the Message-IDs of In-Reply-To and of References, the last one first (RFC 5322 §3.6.4).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from agents.core.messages import Assurance
from agents.core.requests import Request
from agents.core.values import Address
from channels.email.addresses import normalize_address, unverified_address
from channels.email.tokens import MailTokens, PersonToken, RequestToken, ThreadToken, Token
from channels.email.values import MailEnvelope, ParsedMail
from channels.inbound import Arrival, Sender
from channels.stored_input import StoredInput

CHANNEL = "email"
MAX_MAIL_AGE = timedelta(days=7)
"""Maximum age of a mail, by its Date header, whose sender can be authenticated."""

_MAX_CONVERSATION_KEYS = 100


@dataclass(frozen=True)
class ThreadReference:
    """References of a mail: a request or a thread of Handrail, or else Message-IDs that may be linked to a thread."""

    request_id: str | None = None
    thread_id: str | None = None
    conversation_keys: tuple[str, ...] = ()


def find_thread_reference(mail: ParsedMail, recipients: tuple[Token, ...], tokens: MailTokens) -> ThreadReference:
    """Return what a mail with these tokens in its recipients refers to; all fields are empty for a new mail."""
    keys = _referenced_message_ids(mail)
    for token in recipients:
        if isinstance(token, RequestToken):
            return ThreadReference(request_id=token.request_id, conversation_keys=keys)
        if isinstance(token, ThreadToken):
            return ThreadReference(thread_id=token.thread_id, conversation_keys=keys)
    parsed = (tokens.parse_message_id(key) for key in keys)
    thread_id = next((token.thread_id for token in parsed if token is not None and token.thread_id), None)
    return ThreadReference(thread_id=thread_id, conversation_keys=keys)


def _referenced_message_ids(mail: ParsedMail) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*mail.in_reply_to, *reversed(mail.references))))[:_MAX_CONVERSATION_KEYS]


@dataclass(frozen=True)
class ReceivedMail:
    """A mail that has been read, with its sender and the tokens of its recipients.

    `address` is that of the sender, in the form for comparisons if the sender is authenticated. `key` identifies the
    mail in all its deliveries, so that it has its effects once. Only tokens that were made for an authenticated sender
    are in `own_tokens`.
    """

    parsed: ParsedMail
    envelope: MailEnvelope
    address: Address
    is_authenticated: bool
    recipients: tuple[Token, ...]
    own_tokens: tuple[Token, ...]
    key: str
    arrived_at: datetime

    @classmethod
    def identify(
        cls, parsed: ParsedMail, envelope: MailEnvelope, stored: StoredInput, tokens: MailTokens
    ) -> "ReceivedMail":
        """Return the mail with its sender. One that is not authenticated gets an address that belongs to no person."""
        address, is_authenticated = _identify_sender(parsed, envelope, stored.raw.received_at)
        found = (tokens.parse_recipient(recipient) for recipient in envelope.recipients)
        recipients = tuple(token for token in found if token is not None)
        return cls(
            parsed=parsed,
            envelope=envelope,
            address=address,
            is_authenticated=is_authenticated,
            recipients=recipients,
            own_tokens=tuple(t for t in recipients if is_authenticated and tokens.is_for(t, address.id)),
            key=_mail_key(parsed, address),
            arrived_at=stored.raw.received_at,
        )

    def assurance_for(self, request: Request) -> Assurance:
        """Return medium assurance for an authenticated reply to a mail in which this sender was shown the request.

        The token of a digest mail does not name its requests, so the request must have been sent to the address.
        """
        return Assurance.MEDIUM if self.is_reply_to_mail_with(request) else Assurance.NONE

    def may_be_unrecorded(self, request: Request) -> bool:
        """Return whether the mail replies to a digest that may show the request, without a recorded delivery."""
        has_token = self.request_token(request.id) is not None
        return self._is_reply_to_digest and not has_token and not self._was_sent(request)

    def is_reply_to_mail_with(self, request: Request) -> bool:
        """Return whether the mail replies to one that showed the request to this sender: its card, or a digest."""
        return self.request_token(request.id) is not None or (self._is_reply_to_digest and self._was_sent(request))

    def shown_digest_in_digest(self, request: Request) -> str | None:
        """Return the digest of the card that was sent last to the sender, if the mail replies to a digest mail."""
        cards = [card for card in request.cards if _is_same_mailbox(card.address, self.address)]
        return cards[-1].receipt.digest if cards and self._is_reply_to_digest else None

    @property
    def _is_reply_to_digest(self) -> bool:
        return any(isinstance(token, PersonToken) for token in self.own_tokens)

    def _was_sent(self, request: Request) -> bool:
        return any(_is_same_mailbox(card.address, self.address) for card in request.cards)

    @property
    def has_token(self) -> bool:
        return any(isinstance(token, RequestToken | PersonToken | ThreadToken) for token in self.recipients)

    def request_token(self, request_id: str) -> RequestToken | None:
        """Return the token of a card of this request that was sent to the sender, None if the mail has none."""
        tokens = (token for token in self.own_tokens if isinstance(token, RequestToken))
        return next((token for token in tokens if token.request_id == request_id), None)

    def arrival(self, part: str = "") -> Arrival:
        """Return the arrival of the mail, or of a part of it that has an effect of its own."""
        sender = Sender(identities=(self.address,))
        return Arrival(CHANNEL, (f"{self.key}{part}",), sender, source=self.address, at=self.arrived_at)


def _is_same_mailbox(one: Address, other: Address) -> bool:
    try:
        return one.scheme == other.scheme and normalize_address(one.id) == normalize_address(other.id)
    except ValueError:
        return False


def _identify_sender(mail: ParsedMail, envelope: MailEnvelope, received_at: datetime) -> tuple[Address, bool]:
    """Return the address of the From header, or of MAIL FROM without a valid one, and whether it is authenticated.

    A mail that is older than MAX_MAIL_AGE could be a copy of one whose dedup key has been deleted: its signature, which
    has no end, does not count.
    """
    found = mail.sender.address
    is_recent = mail.date is None or mail.date >= received_at - MAX_MAIL_AGE
    if mail.sender.is_authenticated and is_recent and found is not None:
        try:
            return Address(f"{CHANNEL}:{normalize_address(found)}"), True
        except ValueError:
            return unverified_address(found), False
    return unverified_address(found or envelope.mail_from), False


def _mail_key(mail: ParsedMail, address: Address) -> str:
    """Return a digest of the sender, the body and the Message-ID, or else the date and subject.

    It is the same for every copy of the mail, by any client: a signed mail can be sent again by others.

    The Message-ID is not enough, because others can use it again. The sender belongs to it so that a forged copy that
    arrives first does not make the genuine mail a duplicate.
    """
    date = "" if mail.date is None else mail.date.isoformat()
    identity = (mail.message_id or f"{date} {mail.subject}", mail.body_sha256)
    return "mail:" + sha256("\x00".join((address, *identity)).encode(errors="replace")).hexdigest()[:40]
