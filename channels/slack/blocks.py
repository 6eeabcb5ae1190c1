"""Basic Block Kit blocks. Untrusted text is shown as plain text, without mentions, links and formatting."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from channels.slack.escaping import format_date, truncate

Block = dict[str, Any]

MAX_SECTION_LENGTH = 3000
"""Characters (docs.slack.dev/reference/block-kit/blocks/section-block)."""

_MAX_URL_LENGTH = 3000


def plain_text(text: str) -> Block:
    """Return a plain-text object without emoji; blank text becomes a dash, because Slack rejects it."""
    return {"type": "plain_text", "text": text if text.strip() else "—", "emoji": False}


def header(text: str) -> Block:
    """Return a header. `text` must have at most 150 characters."""
    return {"type": "header", "text": plain_text(text)}


def section(text: str, accessory: Block | None = None) -> Block:
    """Return a section, truncated to Slack's limit. `accessory` is a button beside it."""
    block = {"type": "section", "text": plain_text(truncate(text, MAX_SECTION_LENGTH))}
    return block if accessory is None else block | {"accessory": accessory}


def context(elements: Iterable[Block]) -> Block:
    """Return a line of small texts. Slack permits at most 10 elements."""
    return {"type": "context", "elements": list(elements)}


def timestamp(prefix: str, at: datetime) -> Block:
    """Return a time in the reader's time zone. `prefix` is mrkdwn, so it must not contain untrusted text."""
    return {"type": "mrkdwn", "text": prefix + format_date(at.astimezone(UTC)), "verbatim": True}


def link_button(label: str, url: str | None) -> Block | None:
    """Return a button that opens the URL, None for a URL that Slack would reject."""
    if url is None or not url.startswith("https://") or len(url) > _MAX_URL_LENGTH:
        return None
    return {"type": "button", "action_id": "link", "text": plain_text(label), "url": url}
