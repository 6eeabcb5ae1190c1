"""Email channel: sends each message as a mail of its thread, and several approval cards as one digest mail.

A mail cannot be edited. An update of a card is sent only if the call that the card shows has changed; its digest in the
Reply-To address then differs, so that a reply to the older mail does not decide the new call.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from email.utils import format_datetime
from functools import partial
from typing import ClassVar

from agents.core.errors import Permanent
from agents.core.messages import Assurance, Card, Message, Receipt
from agents.core.values import Address
from channels.base import Capabilities
from channels.email.addresses import is_unverified, normalize_address
from channels.email.digest import render_digest
from channels.email.mime_builder import build_mail
from channels.email.rendering import MAIL_ASSURANCE, RenderedMail, render_mail
from channels.email.tokens import MailTokens
from channels.email.transport import Transport
from channels.stored_input import ThreadContext
from channels.text import text_digest

MAX_REFERENCES = 21
"""The first message of the thread and the last 20, so that the header stays short (RFC 5322 §3.6.4 sets no limit)."""
DIGEST_THRESHOLD = 5
RETRY_SECONDS = 48 * 3600.0

_MESSAGE_ID = re.compile(r"<[!-;=?-~]{3,250}>", re.ASCII)


@dataclass(frozen=True)
class EmailChannel:
    """Channel that sends mails from the address of `tokens`.

    If it `may_answer_unverified` senders, their mails are answered although anyone may have written them: the transport
    must then write files and reach no other machine. `context` is the thread of the messages.
    """

    tokens: MailTokens
    transport: Transport
    now: Callable[[], datetime]
    may_answer_unverified: bool = False
    context: ThreadContext | None = None
    scheme: ClassVar[str] = "email"
    capabilities: ClassVar[Capabilities] = Capabilities(
        has_links=True,
        has_markdown=True,
        has_answer_links=True,
        reply_instructions=("APPROVE {code}", "DENY {code} REASON", "ANSWER {code} TEXT"),
        assurance=Assurance(MAIL_ASSURANCE),
        retry_for_seconds=RETRY_SECONDS,
        digest_threshold=DIGEST_THRESHOLD,
    )

    def for_thread(self, context: ThreadContext) -> "EmailChannel":
        """Return a channel whose mails refer to the mails of this thread."""
        return replace(self, context=context)

    def is_private(self, address: Address) -> bool:  # noqa: ARG002 - each address is that of one person
        return True

    async def close(self) -> None:
        """Close nothing: no connection stays open."""

    async def send(
        self,
        to: Address,
        message: Message,
        *,
        key: str,
        replaces: Receipt | None = None,
        may_have_been_sent: bool = False,  # noqa: ARG002 - a mail cannot be looked up; its Message-ID is the same
    ) -> Receipt:
        """Send a message as one mail to one recipient. The receipt's ref is its Message-ID."""
        recipient = self._recipient(to)
        digest = _shown_digest(message)
        if replaces is not None and (not _is_open(message.card) or digest == replaces.digest):
            return replaces
        mail = render_mail(message, self.context)
        return await self._send_mail(mail, recipient, key, digest, partial(self._reply_address, message.card))

    async def send_digest(self, to: Address, cards: Sequence[Card], *, key: str) -> Receipt:
        """Send one mail that shows several open cards. Its replies name requests by their codes."""
        digest = text_digest("\n".join(card.digest for card in cards))
        return await self._send_mail(render_digest(cards), self._recipient(to), key, digest, self.tokens.person_address)

    def _recipient(self, to: Address) -> str:
        """Return the mail address. Raises Permanent for one that cannot get mail, or must not."""
        if is_unverified(to) and not self.may_answer_unverified:
            raise Permanent("the sender could not be verified and gets no mail")
        try:
            return normalize_address(to.id.rpartition("/")[2] if is_unverified(to) else to.id)
        except ValueError:
            raise Permanent("this is not an email address") from None

    def _reply_address(self, card: Card | None, recipient: str) -> str:
        """Return the Reply-To address: of the request that the mail shows, else of the thread, else of the bot."""
        if card is not None and _is_open(card):
            return self.tokens.request_address(card.request_id, card.digest, recipient)
        thread_id = "" if self.context is None else self.context.thread_id
        return self.tokens.thread_address(thread_id) if thread_id else self.tokens.address

    async def _send_mail(
        self, mail: RenderedMail, recipient: str, key: str, digest: str, reply_address: Callable[[str], str]
    ) -> Receipt:
        try:
            message_id, sender = self.tokens.message_id(key), self.tokens.return_path(key)
            headers = self._headers(recipient, reply_address(recipient), message_id)
        except ValueError as error:  # an id that fits into no token
            raise Permanent("the mail could not be addressed") from error
        await self.transport.send(build_mail(mail, headers), sender=sender, recipient=recipient, message_id=message_id)
        return Receipt(ref=message_id, digest=digest, conversation_keys=(message_id,))

    def _headers(self, recipient: str, reply_to: str, message_id: str) -> Mapping[str, str]:
        """Return the headers of a mail. The last two keep other programs from answering it (RFC 3834 §5)."""
        references = limit_references([*(self.context.references if self.context else ())], message_id)
        return {
            "From": f"Handrail <{self.tokens.address}>",
            "To": recipient,
            "Reply-To": reply_to,
            "Date": format_datetime((self.context and self.context.ordered_at) or self.now()),
            "Message-ID": message_id,
            **({"In-Reply-To": references[-1], "References": " ".join(references)} if references else {}),
            "Auto-Submitted": "auto-replied" if references else "auto-generated",
            "X-Auto-Response-Suppress": "All",
            "X-Loop": self.tokens.address,
        }


def limit_references(keys: Sequence[str], message_id: str) -> list[str]:
    """Return the well-formed Message-IDs among conversation keys: the first and the last 20, without this one."""
    references = [key for key in dict.fromkeys(keys) if _MESSAGE_ID.fullmatch(key) and key != message_id]
    return references if len(references) <= MAX_REFERENCES else [references[0], *references[1 - MAX_REFERENCES :]]


def _is_open(card: Card | None) -> bool:
    return card is not None and card.status == "open"


def _shown_digest(message: Message) -> str:
    """Return the digest of the call that a card shows, without its progress; of a message, that of its text."""
    return message.card.digest if message.card is not None else text_digest(message.text)
