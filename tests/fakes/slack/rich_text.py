"""How Slack spells what somebody types: with entities, and with addresses and people in angle brackets."""

import re
from collections.abc import Iterator

from tests.fakes.slack.message import Json

_SPECIAL = re.compile(r"(<@[UW][A-Z0-9]+>|<[#!][^>]*>|https?://[^\s<>]+)")


def encode_text(text: str) -> str:
    """As it stands in `text`: whoever reads it must take the entities back."""
    return "".join(_encode_part(part) for part in _SPECIAL.split(text))


def rich_text_blocks(text: str) -> list[Json]:
    """As it stands in `blocks`, where nothing is escaped."""
    words = {"type": "rich_text_section", "elements": list(_rich_text_elements(text))}
    return [{"type": "rich_text", "elements": [words]}]


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
