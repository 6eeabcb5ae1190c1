"""Structure of a mail: its headers, the body as text and HTML, forwarded mails and attachments.

The parser of the standard library does the splitting, with the policy that does not interpret headers: the other one
raises on many real mails. `prescan` has to accept a mail before.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes
from email.header import decode_header
from email.message import Message
from email.policy import compat32
from email.utils import parsedate_to_datetime
from html import escape

from agents.core.messages import Quote
from channels.email.attachments import describe_attachment
from channels.email.body_text import (
    MAX_TEXT_LINES,
    clean_text,
    decode_text,
    is_stub,
    strip_pgp_armour,
    unwrap_flowed,
)
from channels.email.html_text import html_to_text
from channels.email.values import Attachment, MailRejected

MAX_WALKED_PARTS = 200
MAX_HEADER_LENGTH = 2000
"""Characters of a header that are decoded: subject, names of files and authors."""
MAX_MESSAGE_ID_LENGTH = 998
MAX_QUOTED_MAILS = 20
MAX_QUOTE_LENGTH = 16_384

_MESSAGE_ID = re.compile(r"<[^<>\s]{1,996}>")
_DATE_LENGTH = 100


@dataclass(frozen=True)
class Body:
    """A piece of the body in one or both forms."""

    text: str | None = None
    html: str | None = None


@dataclass
class MailParts:
    """The parts of a mail that matter, in their order."""

    headers: Message
    bodies: list[Body] = field(default_factory=list)
    quotes: list[Quote] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    part_count: int = 0

    @property
    def text(self) -> str:
        """Return the text of the body; of HTML where a piece has nothing else, or only a hint to the HTML."""
        return "\n".join(_to_text(body) for body in self.bodies)

    @property
    def plain_text(self) -> str:
        """Return the text of the pieces that have one, without what comes from HTML."""
        return "\n".join(body.text for body in self.bodies if body.text is not None and _has_text(body))

    @property
    def html(self) -> str | None:
        """Return the body as HTML; None if no piece of it is HTML."""
        if all(body.html is None for body in self.bodies):
            return None
        return "\n".join(body.html or f"<pre>{escape(body.text or '')}</pre>" for body in self.bodies)


def read_parts(raw: bytes) -> MailParts:
    """Split a mail into its parts. Raises MailRejected for more than MAX_WALKED_PARTS parts or too many lines."""
    mail = message_from_bytes(raw, policy=compat32)
    parts = MailParts(headers=mail)
    parts.bodies += _walk(mail, parts)
    return parts


def _walk(part: Message, found: MailParts) -> Iterator[Body]:
    """Yield the pieces of the body inside a part, and add its attachments and forwarded mails to `found`."""
    found.part_count += 1
    if found.part_count > MAX_WALKED_PARTS:
        raise MailRejected("there are too many parts")
    kind = part.get_content_type()
    if kind == "message/rfc822":
        _add_forwarded(part, found)
    elif part.is_multipart() and not kind.startswith("message/"):
        yield from _walk_children(kind, _children(part), found)
    elif _is_body(part, kind):
        yield _read_body(part, kind)
    elif not _is_inline_image(part, kind):
        found.attachments.append(_read_attachment(part, kind))


def _walk_children(kind: str, children: Sequence[Message], found: MailParts) -> Iterator[Body]:
    bodies = [body for child in children for body in _walk(child, found)]
    if kind == "multipart/alternative":
        text = next((body.text for body in bodies if body.text is not None), None)
        html = next((body.html for body in reversed(bodies) if body.html is not None), None)
        bodies = [Body(text, html)] if bodies else []
    yield from bodies


def _children(part: Message) -> list[Message]:
    payload = part.get_payload()
    return [child for child in payload if isinstance(child, Message)] if isinstance(payload, list) else []


def _is_body(part: Message, kind: str) -> bool:
    return kind in {"text/plain", "text/html"} and not _file_name(part) and _disposition(part) != "attachment"


def _is_inline_image(part: Message, kind: str) -> bool:
    """Return whether this is a picture inside the HTML, as a logo in a signature (RFC 2392)."""
    return kind.startswith("image/") and part.get("Content-ID") is not None and _disposition(part) != "attachment"


def _disposition(part: Message) -> str:
    return header_text(part, "Content-Disposition").partition(";")[0].strip().lower()


def _read_body(part: Message, kind: str) -> Body:
    text = decode_text(_content(part), _parameter(part, "charset"))
    if text.count("\n") > MAX_TEXT_LINES:
        raise MailRejected("the text has too many lines")
    if kind == "text/html":
        return Body(html=text)
    text = clean_text(text)
    if _parameter(part, "format").lower() == "flowed":
        text = unwrap_flowed(text, deletes_spaces=_parameter(part, "delsp").lower() == "yes")
    return Body(text=strip_pgp_armour(text))


def _add_forwarded(part: Message, found: MailParts) -> None:
    """Read an attached mail as a quote by its sender; its attachments count as those of the mail."""
    children = _children(part)
    if not children or len(found.quotes) >= MAX_QUOTED_MAILS:
        found.attachments.append(_read_attachment(part, "message/rfc822"))
        return
    bodies = [body for child in children for body in _walk(child, found)]
    text = "\n".join(_to_text(body) for body in bodies).strip()
    found.quotes.append(Quote(text=text[:MAX_QUOTE_LENGTH], author=header_text(children[0], "From")))


def _to_text(body: Body) -> str:
    return body.text or "" if _has_text(body) else html_to_text(body.html or "")


def _has_text(body: Body) -> bool:
    return body.html is None or (body.text is not None and not is_stub(body.text))


def _read_attachment(part: Message, kind: str) -> Attachment:
    name = _file_name(part) or header_text(part, "Content-Description")
    if not name and kind == "application/ms-tnef":
        name = "winmail.dat"
    return describe_attachment(name, kind[:100], _content(part))


def _file_name(part: Message) -> str:
    """Return the declared file name, decoded by RFC 2231 or RFC 2047; empty if there is none."""
    try:
        name = part.get_filename("")
    except (ValueError, LookupError, TypeError, AttributeError):
        return "unnamed"
    return _decode_words(str(name)[:MAX_HEADER_LENGTH])


def _parameter(part: Message, name: str) -> str:
    try:
        value = part.get_param(name, "")
    except (ValueError, LookupError, TypeError, AttributeError):
        return ""
    return value[2] if isinstance(value, tuple) else str(value or "")


def _content(part: Message) -> bytes:
    """Return the decoded content. Content that cannot be decoded is returned as it stands in the mail."""
    try:
        content = part.get_payload(decode=True)
        if isinstance(content, bytes):
            return content
        children = part.get_payload()
        first = children[0] if isinstance(children, list) and children else None
        return first.as_bytes() if isinstance(first, Message) else b""
    except (ValueError, LookupError, TypeError, AttributeError, KeyError):
        return str(part.get_payload()).encode("utf-8", "surrogateescape")


def header_values(mail: Message, name: str) -> list[str]:
    """Return the values of all headers of this name as they stand in the mail, unfolded, as readable text."""
    return [_to_unicode(value) for key, value in mail.raw_items() if key.lower() == name.lower()]


def header_text(mail: Message, name: str) -> str:
    """Return the first header of this name with its encoded words decoded (RFC 2047), on one line."""
    values = header_values(mail, name)
    return _decode_words(values[0][:MAX_HEADER_LENGTH]) if values else ""


def _to_unicode(value: object) -> str:
    """Return a header with raw bytes as UTF-8 (RFC 6532), else as cp1252."""
    data = str(value).encode("utf-8", "surrogateescape")
    return "".join(decode_text(data, "utf-8").splitlines())


def _decode_words(text: str) -> str:
    try:
        decoded = "".join(
            part if isinstance(part, str) else decode_text(part, charset or "ascii")
            for part, charset in decode_header(text)
        )
    except (ValueError, LookupError, TypeError):
        decoded = text
    return " ".join(clean_text(decoded).split())


def message_ids(values: Iterable[str], limit: int) -> tuple[str, ...]:
    """Return the message ids in these headers (RFC 5322 §3.6.4), the last `limit` of them."""
    found = [match for value in values for match in _MESSAGE_ID.findall(value)]
    return tuple(found[-limit:])


def read_date(mail: Message) -> datetime | None:
    """Return the Date header with its offset, taken as UTC if it has none; None if it is no date."""
    try:
        date = parsedate_to_datetime(header_text(mail, "Date")[:_DATE_LENGTH])
        date = date if date.tzinfo is not None else date.replace(tzinfo=UTC)
        return date.astimezone(UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
