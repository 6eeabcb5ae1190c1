"""The blocks our views and notices are made of: text in which nothing works but what we put there ourselves."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from channels.slack.escaping import clipped, date

Block = dict[str, Any]

LONGEST_SECTION = 3000
"""Characters (docs.slack.dev/reference/block-kit/blocks/section-block)."""

_LONGEST_URL = 3000


def plain(text: str) -> Block:
    """Text in which nothing is a mention, a link or an emoji; Slack refuses a blank one."""
    return {"type": "plain_text", "text": text if text.strip() else "—", "emoji": False}


def header(text: str) -> Block:
    """A title of our own words, up to 150 characters."""
    return {"type": "header", "text": plain(text)}


def section(text: str, accessory: Block | None = None) -> Block:
    """A paragraph, cut where it is too long, with a button beside it."""
    block = {"type": "section", "text": plain(clipped(text, LONGEST_SECTION))}
    return block if accessory is None else block | {"accessory": accessory}


def context(elements: Iterable[Block]) -> Block:
    """Up to 10 small remarks on one line."""
    return {"type": "context", "elements": list(elements)}


def when(words: str, at: datetime) -> Block:
    """A time as the reader's clock shows it. The words are ours: Slack reads them."""
    return {"type": "mrkdwn", "text": words + date(at.astimezone(UTC)), "verbatim": True}


def link(label: str, url: str | None) -> Block | None:
    """A button that only leads somewhere; None without an address Slack would take."""
    if url is None or not url.startswith("https://") or len(url) > _LONGEST_URL:
        return None
    return {"type": "button", "action_id": "link", "text": plain(label), "url": url}
