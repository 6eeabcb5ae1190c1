"""Words of others in a message: forwarded messages, and what apps attach. Reading never fails, as in `reading`.

Attachments: docs.slack.dev/legacy/legacy-messaging/legacy-secondary-message-attachments. Forwarded messages are not
documented; they carry `is_share` or `is_msg_unfurl`, and their words in `message_blocks`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from agents.messages import Quote
from agents.visible_text import escape_hidden_characters
from channels.slack.escaping import truncate
from channels.slack.message_text import extract_text, get_objects, get_text, mrkdwn_to_text

MAX_QUOTES = 5
_MAX_AUTHOR_LENGTH = 100
_MAX_DEPTH = 3
_UNFURL_FIELDS = ("from_url", "original_url", "app_unfurl_url")
"""What only the preview of a link has: it is no word of anybody who wrote the message."""


def extract_quotes(message: Mapping[str, Any], author: str = "an app") -> tuple[Quote, ...]:
    """What a message passes on. `author` is who attached what no message of somebody is."""
    return tuple(_iter_quotes(message, author))[:MAX_QUOTES]


def describe_author(message: Mapping[str, Any]) -> str:
    """Who wrote a message that names no person, in words of one line."""
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
    messages = [found for one in get_objects(attachment.get("message_blocks")) if (found := _forwarded_message(one))]
    text = "\n".join(filter(None, map(extract_text, messages))) or _attachment_text(attachment)
    within = [q for message in messages if depth < _MAX_DEPTH for q in _iter_quotes(message, author, depth + 1)]
    yield from _quote_if_any(text if text or within else _fallback_text(attachment), author)
    yield from within


def _quote_if_any(text: str, author: str) -> Iterator[Quote]:
    if text:
        yield Quote(text=text, author=author)


def _forwarded_message(block: Mapping[str, Any]) -> dict[str, Any] | None:
    found = block.get("message")
    return found if isinstance(found, dict) else None


def _author_name(attachment: Mapping[str, Any]) -> str:
    name = get_text(attachment, "author_name") or get_text(attachment, "author_subname")
    user = get_text(attachment, "author_id")
    return _one_line(f"{name} ({user})" if name and user else name or user or "somebody else")


def _attachment_text(attachment: Mapping[str, Any]) -> str:
    """All that is written in an attachment. A pasted table is no quote: it counts as the writer's own words."""
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
    """What stands for an attachment where it cannot be drawn; for a table only that it cannot."""
    is_table = any(block.get("type") == "table" for block in get_objects(attachment.get("blocks")))
    return "" if is_table else mrkdwn_to_text(get_text(attachment, "fallback")).strip()


def _one_line(text: str) -> str:
    return truncate(escape_hidden_characters(text), _MAX_AUTHOR_LENGTH)
