"""Extraction of quotes from a message: forwarded messages, and attachments of apps. Extraction never raises.

Attachments: docs.slack.dev/legacy/legacy-messaging/legacy-secondary-message-attachments. Forwarded messages are not
documented; they have `is_share` or `is_msg_unfurl`, and their text in `message_blocks`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from agents.core.messages import Quote
from agents.core.visible_text import escape_hidden_characters
from channels.slack.blocks import truncate
from channels.slack.message_text import extract_text, get_objects, get_text, mrkdwn_to_text

MAX_QUOTES = 5
_MAX_AUTHOR_LENGTH = 100
_MAX_DEPTH = 3
"""Nesting of forwarded messages beyond which quotes are left out."""
_UNFURL_FIELDS = ("from_url", "original_url", "app_unfurl_url")
"""Fields that only link previews have: their text was not written by a person."""


def extract_quotes(message: Mapping[str, Any], author: str = "an app") -> tuple[Quote, ...]:
    """Return the quotes of a message, at most MAX_QUOTES. `author` is named for attachments that are not forwarded."""
    return tuple(_iter_quotes(message, author))[:MAX_QUOTES]


def describe_author(message: Mapping[str, Any]) -> str:
    """Return the author of a message that names no user, such as a message of an app, on one line."""
    profile = message.get("bot_profile")
    names = (get_text(message, "username"), get_text(profile, "name") if isinstance(profile, dict) else "")
    return _one_line(next(filter(None, names), "an app"))


def _iter_quotes(message: Mapping[str, Any], author: str, depth: int = 0) -> Iterator[Quote]:
    for attachment in get_objects(message.get("attachments")):
        if _is_forwarded(attachment):
            yield from _iter_forwarded_quotes(attachment, depth)
        elif not any(get_text(attachment, name) for name in _UNFURL_FIELDS):
            yield from _quote_if_any(_attachment_text(attachment) or _fallback_text(attachment), author)


def _is_forwarded(attachment: Mapping[str, Any]) -> bool:
    return attachment.get("is_share") is True or attachment.get("is_msg_unfurl") is True


def _iter_forwarded_quotes(attachment: Mapping[str, Any], depth: int) -> Iterator[Quote]:
    author = _author_name(attachment)
    blocks = get_objects(attachment.get("message_blocks"))
    messages = [message for block in blocks if (message := _forwarded_message(block))]
    text = "\n".join(filter(None, map(extract_text, messages))) or _attachment_text(attachment)
    nested = [q for message in messages if depth < _MAX_DEPTH for q in _iter_quotes(message, author, depth + 1)]
    yield from _quote_if_any(text if text or nested else _fallback_text(attachment), author)
    yield from nested


def _quote_if_any(text: str, author: str) -> Iterator[Quote]:
    if text:
        yield Quote(text=text, author=author)


def _forwarded_message(block: Mapping[str, Any]) -> dict[str, Any] | None:
    message = block.get("message")
    return message if isinstance(message, dict) else None


def _author_name(attachment: Mapping[str, Any]) -> str:
    name = get_text(attachment, "author_name") or get_text(attachment, "author_subname")
    user = get_text(attachment, "author_id")
    return _one_line(f"{name} ({user})" if name and user else name or user or "another person")


def _attachment_text(attachment: Mapping[str, Any]) -> str:
    """Return the text of an attachment without tables: a pasted table is the author's own text, not a quote."""
    fields = (
        ": ".join(filter(None, (get_text(f, "title"), get_text(f, "value"))))
        for f in get_objects(attachment.get("fields"))
    )
    blocks = [block for block in get_objects(attachment.get("blocks")) if block.get("type") != "table"]
    parts = [
        mrkdwn_to_text(text) for text in (*(get_text(attachment, n) for n in ("pretext", "title", "text")), *fields)
    ]
    return "\n".join(filter(None, (*parts, extract_text({"blocks": blocks})))).strip()


def _fallback_text(attachment: Mapping[str, Any]) -> str:
    """Return the attachment's fallback text, empty for a table: its fallback says only that it cannot be shown."""
    is_table = any(block.get("type") == "table" for block in get_objects(attachment.get("blocks")))
    return "" if is_table else mrkdwn_to_text(get_text(attachment, "fallback")).strip()


def _one_line(text: str) -> str:
    return truncate(escape_hidden_characters(text), _MAX_AUTHOR_LENGTH)
