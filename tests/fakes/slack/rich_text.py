"""Slack's encodings of typed text: mrkdwn with entities and angle brackets, and rich text blocks."""

import re
from collections.abc import Iterator

from tests.fakes.slack.message import Json

_SPECIAL = re.compile(r"(<@[UW][A-Z0-9]+>|<[#!][^>]*>|https?://[^\s<>]+)")


def encode_text(text: str) -> str:
    """Return the text encoded as in a message's `text`."""
    return "".join(_encode_part(part) for part in _SPECIAL.split(text))


def rich_text_blocks(text: str) -> list[Json]:
    """Return the text as `blocks`, in which characters are not escaped."""
    section = {"type": "rich_text_section", "elements": list(_rich_text_elements(text))}
    return [{"type": "rich_text", "elements": [section]}]


def _encode_part(part: str) -> str:
    if part.startswith("http"):
        return f"<{part}>"
    if _SPECIAL.fullmatch(part):
        return part
    return part.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _rich_text_elements(text: str) -> Iterator[Json]:
    for part in filter(None, _SPECIAL.split(text)):
        if part.startswith("<@"):
            yield {"type": "user", "user_id": part[2:-1]}
        elif part.startswith("http"):
            yield {"type": "link", "url": part}
        else:
            yield {"type": "text", "text": part}
