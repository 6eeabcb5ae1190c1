"""Text of others made inert: on Slack it mentions nobody, hides no link and loads no picture."""

import re
from datetime import datetime

_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_WORKING = re.compile(r"<(?=[@#!])|!(?=\[)")
_NOTHING = "\u200b"


def escaped(text: str, longest: int) -> str:
    """For mrkdwn: its three characters escaped (docs.slack.dev/messaging/formatting-message-text), and cut if need be.

    What is cut ends with an ellipsis and never within an escape.
    """
    pieces = [_ESCAPES.get(character, character) for character in text[: longest + 1]]
    if sum(map(len, pieces)) <= longest:
        return "".join(pieces)
    kept, room = [], longest - 1
    for piece in pieces:
        room -= len(piece)
        if room < 0:
            break
        kept.append(piece)
    return "".join(kept) + "…"


def inert(markdown: str) -> str:
    """For `markdown` blocks: mentions and pictures come apart by a character without a width; links stay links.

    A picture would be fetched from wherever the text says, with whatever the text put into its address.
    """
    return _WORKING.sub(lambda found: found[0] + _NOTHING, markdown)


def clipped(text: str, longest: int) -> str:
    """The text, or its beginning and an ellipsis."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def date(at: datetime) -> str:
    """For mrkdwn: a time in the zone of whoever reads it; UTC where it cannot be drawn."""
    return f"<!date^{int(at.timestamp())}^{{date_short_pretty}} {{time}}|{at:%Y-%m-%d %H:%M} UTC>"
