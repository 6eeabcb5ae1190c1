"""Text of others made inert: on Slack it mentions nobody, hides no character, links nowhere, and loads no picture."""

import re
from datetime import datetime

from agents.visible_text import escape_hidden_characters
from channels.slack.link_spans import put_links_in_code, put_links_of_beginning_in_code

QUIET = {"unfurl_links": False, "unfurl_media": False}
"""What a model writes fetches no page (docs.slack.dev/messaging/unfurling-links-in-messages)."""

INERT = {"link_names": False, "parse": "none"}
"""Where `text` is shown, it calls nobody and makes no links (docs.slack.dev/reference/methods/chat.postMessage)."""

_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_ACTIVE_MARKUP = re.compile(
    r"<(?=[@#!]|[A-Za-z]{2,12}:)|!(?=\[)|\](?=\([ \n]{0,2}<?(?:[A-Za-z]{2,12}:|//|[A-Za-z0-9-]{1,63}\.))"
    r"|^ {0,3}\[[^\]\n]{1,99}\](?=:)",
    re.ASCII | re.MULTILINE,
)
"""What comes before a mention, a link in angle brackets, a picture, a link with a label, and the address of one."""

_AMBIGUOUS_END = re.compile(r"(?:<[A-Za-z]{0,12}|\]\([ \n]{0,2}<?(?:/|[A-Za-z0-9-]{0,63}))\Z", re.ASCII)
_MAX_AMBIGUOUS_LENGTH = 70
"""Characters at the end of a text after which it may turn out to work, or not."""

_ZERO_WIDTH_SPACE = "\u200b"


def escape_mrkdwn(text: str, max_length: int) -> str:
    """For mrkdwn: its three characters escaped (docs.slack.dev/messaging/formatting-message-text), and cut if need be.

    What is cut ends with an ellipsis and never within an escape.
    """
    pieces = [_ESCAPES.get(character, character) for character in text[: max_length + 1]]
    if sum(map(len, pieces)) <= max_length:
        return "".join(pieces)
    kept, room = [], max_length - 1
    for piece in pieces:
        room -= len(piece)
        if room < 0:
            break
        kept.append(piece)
    return "".join(kept) + "…"


def escape_hidden_except_whitespace(text: str) -> str:
    """The text with hidden characters written out; lines and tabs stay."""
    return "\n".join(
        "\t".join(map(escape_hidden_characters, line.split("\t"))) for line in text.replace("\r\n", "\n").split("\n")
    )


def neutralize_markdown(markdown: str) -> str:
    """For `markdown` blocks: mentions and pictures come apart by a character without a width; links become code.

    A picture would be fetched from wherever the text says, with whatever the text put into its address. A link keeps
    its label and its address side by side, so that it leads nowhere unseen, and nowhere at all at a click.
    """
    return put_links_in_code(_taken_apart(markdown))


def neutralize_markdown_prefix(markdown: str, longest: int) -> str:
    """As much of the same as fits, for a text that goes on: of a longer beginning this is the beginning again."""
    end = len(markdown)
    while (
        end and escape_hidden_characters(markdown[end - 1]) != markdown[end - 1]
    ):  # what follows tells how it is shown
        end -= 1
    undecided = _AMBIGUOUS_END.search(markdown, max(0, end - _MAX_AMBIGUOUS_LENGTH), end)
    known = markdown[: undecided.start() if undecided else end]
    return put_links_of_beginning_in_code(_taken_apart(known), longest)


def _taken_apart(markdown: str) -> str:
    return _ACTIVE_MARKUP.sub(lambda found: found[0] + _ZERO_WIDTH_SPACE, escape_hidden_except_whitespace(markdown))


def truncate(text: str, max_length: int) -> str:
    """The text, or its beginning and an ellipsis."""
    return text if len(text) <= max_length else text[: max_length - 1] + "…"


def format_date(at: datetime) -> str:
    """For mrkdwn: a time in the zone of whoever reads it; UTC where it cannot be drawn."""
    return f"<!date^{int(at.timestamp())}^{{date_short_pretty}} {{time}}|{at:%Y-%m-%d %H:%M} UTC>"
