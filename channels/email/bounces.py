"""Bounces: delivery status notifications (RFC 3464), and the texts of mail servers that send none."""

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message

from flufl.bounce import all_failures

MAX_REPORT_BYTES = 262_144
"""Beginning of a mail that is read: the report comes before the returned mail."""
_MAX_TEXT_BYTES, _MAX_LINE_BYTES = 65_536, 998  # RFC 5322 §2.1.1; the detectors search each line several times

_STATUS = re.compile(r"\b[245]\.[0-9]{1,3}\.[0-9]{1,3}\b", re.ASCII)  # RFC 3463 §2
_PARSE_ERRORS = (ValueError, LookupError, TypeError, AttributeError, AssertionError)

logging.getLogger("flufl.bounce").setLevel(logging.CRITICAL + 1)  # it logs tracebacks, which contain text of the mail


@dataclass(frozen=True)
class Bounce:
    """Result of a delivery as a mail server reports it, with its status code (RFC 3463).

    `is_permanent` says that the server has given up, which a server also does after days of temporary failures.
    """

    status: str
    is_permanent: bool


def read_bounce(raw: bytes) -> Bounce | None:
    """Return what a mail reports about one delivery; None for another mail, such as a reply of an absent person.

    The mail must have passed the pre-scan, which limits the number and depth of its parts.
    """
    try:
        message = message_from_bytes(raw[:MAX_REPORT_BYTES])
        reports = [block for part in _find_status_parts(message) for block in _blocks(part)]
        if reports:
            return _read_report(reports)
        if message.get_content_type() == "multipart/report":
            return None  # a report of another type, such as a receipt (RFC 8098)
        return _read_text(raw)
    except _PARSE_ERRORS:
        return None


def _find_status_parts(message: Message) -> Iterator[Message]:
    """Yield the delivery status parts of a mail, without those of the returned mail."""
    if message.get_content_type() == "message/delivery-status":
        yield message
    elif message.is_multipart() and message.get_content_maintype() == "multipart":
        for part in message.get_payload():
            if isinstance(part, Message):
                yield from _find_status_parts(part)


def _blocks(part: Message) -> Iterator[Message]:
    """Yield the blocks of a delivery status part that are about a recipient."""
    blocks = part.get_payload()
    if isinstance(blocks, list):
        yield from (
            block for block in blocks if isinstance(block, Message) and ("Action" in block or "Status" in block)
        )


def _read_report(blocks: list[Message]) -> Bounce | None:
    """Return the worst result of the recipients. Each mail of the bot has one recipient, who may forward it to many."""
    found = [bounce for block in blocks if (bounce := _read_block(block)) is not None]
    return max(found, key=lambda bounce: (bounce.is_permanent, bounce.status), default=None)


def _read_block(block: Message) -> Bounce | None:
    action = str(block.get("Action", "")).strip().lower()
    code = _STATUS.search(str(block.get("Status", "")))
    status = code[0] if code else ""
    if action.startswith(("fail", "error")) or (not action and status.startswith("5")):
        return Bounce(status or "5.0.0", is_permanent=True)
    if action.startswith("delayed") or (not action and status.startswith("4")):
        return Bounce(status or "4.0.0", is_permanent=False)
    if action.startswith(("delivered", "relayed", "expanded")) or (not action and status.startswith("2")):
        return Bounce(status or "2.0.0", is_permanent=False)
    return None


def _read_text(raw: bytes) -> Bounce | None:
    """Return the result that the text of a mail server reports, if its form is known."""
    text = b"\n".join(line[:_MAX_LINE_BYTES] for line in raw[:_MAX_TEXT_BYTES].splitlines())
    if b"delivery-status" in text:  # that of a returned mail, which the detectors would find
        return None
    temporary, permanent = all_failures(message_from_bytes(text))
    if not temporary and not permanent:
        return None
    code = _STATUS.search(text.decode("latin-1"))
    is_code_consistent = code is not None and code[0].startswith("5" if permanent else "4")
    status = code[0] if code is not None and is_code_consistent else "5.0.0" if permanent else "4.0.0"
    return Bounce(status, is_permanent=bool(permanent))
