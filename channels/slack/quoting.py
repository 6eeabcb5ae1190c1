"""Words of others in a message: forwarded messages, and what apps attach. Reading never fails, as in `reading`.

Attachments: docs.slack.dev/legacy/legacy-messaging/legacy-secondary-message-attachments. Forwarded messages are not
documented; they carry `is_share` or `is_msg_unfurl`, and their words in `message_blocks`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from agents.messages import Quote
from agents.visible import visible
from channels.slack.escaping import clipped
from channels.slack.reading import from_mrkdwn, listed, text_of, word

MOST_QUOTES = 5
_LONGEST_AUTHOR = 100
_DEEPEST = 3
_UNFURLED = ("from_url", "original_url", "app_unfurl_url")
"""What only the preview of a link has: it is no word of anybody who wrote the message."""


def quotes_of(message: Mapping[str, Any], author: str = "an app") -> tuple[Quote, ...]:
    """What a message passes on. `author` is who attached what no message of somebody is."""
    return tuple(_quotes(message, author))[:MOST_QUOTES]


def author_of(message: Mapping[str, Any]) -> str:
    """Who wrote a message that names no person, in words of one line."""
    profile = message.get("bot_profile")
    names = (word(message, "username"), word(profile, "name") if isinstance(profile, dict) else "")
    return _one_line(next(filter(None, names), "an app"))


def _quotes(message: Mapping[str, Any], author: str, depth: int = 0) -> Iterator[Quote]:
    for attachment in listed(message.get("attachments")):
        if _is_forwarded(attachment):
            yield from _forwarded(attachment, depth)
        elif not any(word(attachment, name) for name in _UNFURLED):
            yield from _quote(_attached(attachment) or _fallback(attachment), author)


def _is_forwarded(attachment: Mapping[str, Any]) -> bool:
    return attachment.get("is_share") is True or attachment.get("is_msg_unfurl") is True


def _forwarded(attachment: Mapping[str, Any], depth: int) -> Iterator[Quote]:
    author = _writer(attachment)
    messages = [found for one in listed(attachment.get("message_blocks")) if (found := _message(one))]
    text = "\n".join(filter(None, map(text_of, messages))) or _attached(attachment)
    within = [q for message in messages if depth < _DEEPEST for q in _quotes(message, author, depth + 1)]
    yield from _quote(text if text or within else _fallback(attachment), author)
    yield from within


def _quote(text: str, author: str) -> Iterator[Quote]:
    if text:
        yield Quote(text=text, author=author)


def _message(block: Mapping[str, Any]) -> dict[str, Any] | None:
    found = block.get("message")
    return found if isinstance(found, dict) else None


def _writer(attachment: Mapping[str, Any]) -> str:
    name = word(attachment, "author_name") or word(attachment, "author_subname")
    user = word(attachment, "author_id")
    return _one_line(f"{name} ({user})" if name and user else name or user or "somebody else")


def _attached(attachment: Mapping[str, Any]) -> str:
    """All that is written in an attachment. A pasted table is no quote: it counts as the writer's own words."""
    fields = (": ".join(filter(None, (word(f, "title"), word(f, "value")))) for f in listed(attachment.get("fields")))
    blocks = [block for block in listed(attachment.get("blocks")) if block.get("type") != "table"]
    parts = [from_mrkdwn(text) for text in (*(word(attachment, n) for n in ("pretext", "title", "text")), *fields)]
    return "\n".join(filter(None, (*parts, text_of({"blocks": blocks})))).strip()


def _fallback(attachment: Mapping[str, Any]) -> str:
    """What stands for an attachment where it cannot be drawn; for a table only that it cannot."""
    is_table = any(block.get("type") == "table" for block in listed(attachment.get("blocks")))
    return "" if is_table else from_mrkdwn(word(attachment, "fallback")).strip()


def _one_line(text: str) -> str:
    return clipped(visible(text), _LONGEST_AUTHOR)
