"""Text of others made inert: on Slack it mentions nobody, hides no character, links nowhere, and loads no picture."""

import re
from datetime import datetime

from agents.visible import visible
from channels.slack.link_spans import put_links_in_code, put_links_of_beginning_in_code

QUIET = {"unfurl_links": False, "unfurl_media": False}
"""What a model writes fetches no page (docs.slack.dev/messaging/unfurling-links-in-messages)."""

INERT = {"link_names": False, "parse": "none"}
"""Where `text` is shown, it calls nobody and makes no links (docs.slack.dev/reference/methods/chat.postMessage)."""

_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_WORKING = re.compile(
    r"<(?=[@#!]|[A-Za-z]{2,12}:)|!(?=\[)|\](?=\([ \n]{0,2}<?(?:[A-Za-z]{2,12}:|//|[A-Za-z0-9-]{1,63}\.))"
    r"|^ {0,3}\[[^\]\n]{1,99}\](?=:)",
    re.ASCII | re.MULTILINE,
)
"""What comes before a mention, a link in angle brackets, a picture, a link with a label, and the address of one."""

_UNDECIDED = re.compile(r"(?:<[A-Za-z]{0,12}|\]\([ \n]{0,2}<?(?:/|[A-Za-z0-9-]{0,63}))\Z", re.ASCII)
_LONGEST_UNDECIDED = 70
"""Characters at the end of a text after which it may turn out to work, or not."""

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


def legible(text: str) -> str:
    """The text with hidden characters written out; lines and tabs stay."""
    return "\n".join("\t".join(map(visible, line.split("\t"))) for line in text.replace("\r\n", "\n").split("\n"))


def inert(markdown: str) -> str:
    """For `markdown` blocks: mentions and pictures come apart by a character without a width; links become code.

    A picture would be fetched from wherever the text says, with whatever the text put into its address. A link keeps
    its label and its address side by side, so that it leads nowhere unseen, and nowhere at all at a click.
    """
    return put_links_in_code(_taken_apart(markdown))


def inert_beginning(markdown: str, longest: int) -> str:
    """As much of the same as fits, for a text that goes on: of a longer beginning this is the beginning again."""
    end = len(markdown)
    while end and visible(markdown[end - 1]) != markdown[end - 1]:  # what follows tells how it is shown
        end -= 1
    undecided = _UNDECIDED.search(markdown, max(0, end - _LONGEST_UNDECIDED), end)
    known = markdown[: undecided.start() if undecided else end]
    return put_links_of_beginning_in_code(_taken_apart(known), longest)


def _taken_apart(markdown: str) -> str:
    return _WORKING.sub(lambda found: found[0] + _NOTHING, legible(markdown))


def clipped(text: str, longest: int) -> str:
    """The text, or its beginning and an ellipsis."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def date(at: datetime) -> str:
    """For mrkdwn: a time in the zone of whoever reads it; UTC where it cannot be drawn."""
    return f"<!date^{int(at.timestamp())}^{{date_short_pretty}} {{time}}|{at:%Y-%m-%d %H:%M} UTC>"
