"""Reading of a mail from its bytes: any bytes give a ParsedMail or MailRejected, in linear time.

Runs in a child process with limits of time and memory; `reader_pool` starts it.
"""

from collections.abc import Sequence
from email.message import Message
from hashlib import sha256

from channels.email.mime_reader import (
    MailParts,
    header_text,
    header_values,
    message_ids,
    read_date,
    read_parts,
)
from channels.email.prescan import header_block, prescan
from channels.email.reply_text import ReplyText, split_reply
from channels.email.values import DnsUnavailable, MailEnvelope, MailRejected, ParsedMail, SenderCheck

HEADER_NAMES = frozenset(
    {
        *("auto-submitted", "precedence", "content-type", "x-loop", "x-auto-response-suppress"),
        *("list-id", "list-post", "list-help", "list-unsubscribe", "list-subscribe", "list-owner"),
        *("x-autoreply", "x-autorespond", "x-autoresponder", "x-auto-reply-from", "x-mail-autoreply"),
    }
)
MAX_REFERENCES = 100
MAX_KEPT_HEADER_LENGTH, MAX_KEPT_HEADERS = 998, 20


def read_mail(raw: bytes, envelope: MailEnvelope, check_sender: SenderCheck) -> ParsedMail:
    """Read a mail and authenticate its sender. Raises MailRejected or DnsUnavailable."""
    prescan(raw)
    try:
        return _read(raw, envelope, check_sender)
    except (MailRejected, DnsUnavailable, MemoryError):
        raise
    except Exception as error:
        raise MailRejected(f"the mail cannot be read: {type(error).__name__}") from error


def _read(raw: bytes, envelope: MailEnvelope, check_sender: SenderCheck) -> ParsedMail:
    parts = read_parts(raw)
    reply = _split(parts)
    mail = parts.headers
    return ParsedMail(
        message_id=next(iter(message_ids(header_values(mail, "Message-ID")[:1], 1)), None),
        in_reply_to=message_ids(header_values(mail, "In-Reply-To"), MAX_REFERENCES),
        references=message_ids(header_values(mail, "References"), MAX_REFERENCES),
        subject=header_text(mail, "Subject"),
        date=read_date(mail),
        body_sha256=sha256(raw[len(header_block(raw)) :].strip()).hexdigest(),
        headers=_kept_headers(mail),
        new_text=reply.new_text,
        decision_lines=reply.decision_lines,
        quotes=(*reply.forwarded, *parts.quotes),
        attachments=tuple(parts.attachments),
        sender=check_sender(raw, header_values(mail, "From"), envelope),
    )


def _split(parts: MailParts) -> ReplyText:
    """Split the body. A text that only some pieces of the body have is completed from the HTML of the others."""
    text = parts.text if parts.plain_text else ""
    return split_reply(text, parts.html)


def _kept_headers(mail: Message) -> dict[str, tuple[str, ...]]:
    """Return the headers that show automatic mail, by names in lower case."""
    found = {name: _shortened(header_values(mail, name)) for name in sorted(HEADER_NAMES)}
    return {name: values for name, values in found.items() if values}


def _shortened(values: Sequence[str]) -> tuple[str, ...]:
    return tuple(value.strip()[:MAX_KEPT_HEADER_LENGTH] for value in values[:MAX_KEPT_HEADERS])
