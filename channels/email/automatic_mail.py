"""Mail that no person wrote, or that came through a list. It starts nothing, decides nothing and gets no reply.

Otherwise two programs would answer each other for ever (RFC 3834 §2).
"""

import re
from collections.abc import Iterator, Mapping
from itertools import chain

from channels.email.addresses import normalize_address
from channels.email.tokens import MailTokens
from channels.email.values import MailEnvelope, ParsedMail

_LIST_HEADERS = frozenset({"list-id", "list-post", "list-help", "list-unsubscribe", "list-subscribe", "list-owner"})
_RESPONDER_HEADERS = frozenset(
    {"x-autoreply", "x-autorespond", "x-autoresponder", "x-auto-reply-from", "x-mail-autoreply"}
)
HEADER_NAMES = frozenset(
    {"auto-submitted", "precedence", "content-type", "x-loop", "x-auto-response-suppress"}
    | _LIST_HEADERS
    | _RESPONDER_HEADERS
)
"""Names, in lower case, of the headers that `classify` and `may_reply` need in `ParsedMail.headers`."""

MAX_STRANGER_MAILS_PER_THREAD, MAX_MAILS_PER_SENDER = 3, 30
"""Numbers of mails in an hour; more than that are a storm."""

_BULK_PRECEDENCES = frozenset({"bulk", "list", "junk", "auto_reply", "auto-reply"})
_SYSTEM_SENDERS = frozenset({"mailer-daemon", "postmaster", "mail-daemon", "mailerdaemon"})
_NO_REPLY_SENDER = re.compile(r"(?:do)?[._-]?(?:no|not)[._-]?reply.*|bounces?(?:[+=_-].*)?|noreply.*")
_RESPONSE_SUBJECT = re.compile(
    r"(?:auto(?:matic |-)?(?:re(?:ply|sponse))|out of (?:the )?office|automatische antwort|abwesenheitsnotiz|"
    r"abwesend|réponse automatique|absence du bureau|respuesta automática|fuera de la oficina|risposta automatica|"
    r"fuori sede|resposta automática|automatisch antwoord|afwezig)(?: auto-?reply| message| notification)? ?:",
    re.IGNORECASE,
)


def classify(mail: ParsedMail, envelope: MailEnvelope, tokens: MailTokens) -> str | None:
    """Return why a mail is automatic, in a few lower-case words, or None for a mail that a person wrote."""
    reasons = chain(_header_reasons(mail.headers), _sender_reasons(mail, envelope, tokens))
    return next(reasons, None)


def _header_reasons(headers: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    if any(_first_word(value) != "no" for value in headers.get("auto-submitted", ())):
        yield "automatically submitted"  # RFC 3834 §5
    if any(_first_word(value) in _BULK_PRECEDENCES for value in headers.get("precedence", ())):
        yield "bulk precedence"
    if any(_first_word(value) != "no" for name in _RESPONDER_HEADERS for value in headers.get(name, ())):
        yield "automatic reply"
    if not _LIST_HEADERS.isdisjoint(headers):
        yield "mailing list"  # RFC 2919, RFC 2369
    if any(_first_word(value) == "multipart/report" for value in headers.get("content-type", ())):
        yield "report"  # RFC 6522


def _sender_reasons(mail: ParsedMail, envelope: MailEnvelope, tokens: MailTokens) -> Iterator[str]:
    if not envelope.mail_from:
        yield "null sender"
    if _RESPONSE_SUBJECT.match(mail.subject.strip()):
        yield "subject of an automatic reply"
    if {_local_part(mail.sender.address), _local_part(envelope.mail_from)} & _SYSTEM_SENDERS:
        yield "mail system"
    if _is_own(mail, envelope, tokens):
        yield "own mail"


def _is_own(mail: ParsedMail, envelope: MailEnvelope, tokens: MailTokens) -> bool:
    """Return whether the bot wrote the mail. Its Message-ID and return path are signed, its From header is not."""
    if any(value.strip().lower() == tokens.address for value in mail.headers.get("x-loop", ())):
        return True
    if mail.message_id is not None and tokens.parse_message_id(mail.message_id) is not None:
        return True
    return any(_is_own_address(address, tokens) for address in (mail.sender.address, envelope.mail_from))


def _is_own_address(address: str | None, tokens: MailTokens) -> bool:
    """Return whether this is the bot's address, with or without a token of any form."""
    try:
        local, _, domain = normalize_address(address or "").partition("@")
    except ValueError:
        return False
    return f"{local.partition('+')[0]}@{domain}" == tokens.address or tokens.accepts(f"{local}@{domain}")


def may_reply(mail: ParsedMail) -> bool:
    """Return whether the sender accepts an automatic reply.

    `X-Auto-Response-Suppress` (MS-OXCMAIL 2.2.3.2.14) asks for none; it does not say that the mail itself is automatic.
    """
    values = ",".join(mail.headers.get("x-auto-response-suppress", ())).lower().replace(";", ",").split(",")
    if not {value.strip() for value in values}.isdisjoint({"all", "autoreply"}):
        return False
    return mail.sender.address is not None and not _NO_REPLY_SENDER.fullmatch(_local_part(mail.sender.address))


def is_storm(recent_count: int, *, has_token: bool, is_known: bool) -> bool:
    """Return whether a mail without a valid verdict is one too many.

    `recent_count` mails arrived within an hour, this one included, with the same token or from the same sender.
    """
    limit = MAX_STRANGER_MAILS_PER_THREAD if has_token and not is_known else MAX_MAILS_PER_SENDER
    return recent_count > limit


def _first_word(value: str) -> str:
    """Return the first word of a header in lower case, without parameters and comments."""
    words = re.split(r"[;(\s]", value.strip().lower(), maxsplit=1)
    return words[0]


def _local_part(address: str | None) -> str:
    return (address or "").lower().partition("@")[0]
