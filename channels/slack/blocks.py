"""The blocks our views and notices are made of: text in which nothing works but what we put there ourselves."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from channels.slack.escaping import format_date, truncate

Block = dict[str, Any]

MAX_SECTION_LENGTH = 3000
"""Characters (docs.slack.dev/reference/block-kit/blocks/section-block)."""

_MAX_URL_LENGTH = 3000


def plain_text(text: str) -> Block:
    """Text in which nothing is a mention, a link or an emoji; Slack refuses a blank one."""
    return {"type": "plain_text", "text": text if text.strip() else "—", "emoji": False}


def header(text: str) -> Block:
    """A title of our own words, up to 150 characters."""
    return {"type": "header", "text": plain_text(text)}


def section(text: str, accessory: Block | None = None) -> Block:
    """A paragraph, cut where it is too long, with a button beside it."""
    block = {"type": "section", "text": plain_text(truncate(text, MAX_SECTION_LENGTH))}
    return block if accessory is None else block | {"accessory": accessory}


def context(elements: Iterable[Block]) -> Block:
    """Up to 10 small remarks on one line."""
    return {"type": "context", "elements": list(elements)}


def timestamp(prefix: str, at: datetime) -> Block:
    """A time as the reader's clock shows it. The words are ours: Slack reads them."""
    return {"type": "mrkdwn", "text": prefix + format_date(at.astimezone(UTC)), "verbatim": True}


def link_button(label: str, url: str | None) -> Block | None:
    """A button that only leads somewhere; None without an address Slack would take."""
    if url is None or not url.startswith("https://") or len(url) > _MAX_URL_LENGTH:
        return None
    return {"type": "button", "action_id": "link", "text": plain_text(label), "url": url}
