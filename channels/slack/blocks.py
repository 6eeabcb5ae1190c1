"""Block Kit blocks of untrusted text: without mentions, links, formatting, images and hidden characters."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from agents.core.visible_text import escape_hidden_characters
from channels.slack.link_spans import convert_stable_prefix, put_links_in_code

NO_UNFURLING = {"unfurl_links": False, "unfurl_media": False}
"""Arguments that prevent link previews (docs.slack.dev/messaging/unfurling-links-in-messages)."""

NO_PARSING = {"link_names": False, "parse": "none"}
"""Arguments that prevent mentions and links in `text` (docs.slack.dev/reference/methods/chat.postMessage)."""

_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_ACTIVE_MARKUP = re.compile(
    r"<(?=[@#!]|[A-Za-z]{2,12}:)|!(?=\[)|\](?=\([ \n]{0,2}<?(?:[A-Za-z]{2,12}:|//|[A-Za-z0-9-]{1,63}\.))"
    r"|^ {0,3}\[[^\]\n]{1,99}\](?=:)",
    re.ASCII | re.MULTILINE,
)
"""Beginnings of mentions, links in angle brackets, images, links with a label, and link reference definitions."""

_AMBIGUOUS_END = re.compile(r"(?:<[A-Za-z]{0,12}|\]\([ \n]{0,2}<?(?:/|[A-Za-z0-9-]{0,63}))\Z", re.ASCII)
_MAX_AMBIGUOUS_LENGTH = 70
"""Characters at the end of a partial text that may turn out to be active markup once more text follows."""

_ZERO_WIDTH_SPACE = "\u200b"


def escape_mrkdwn(text: str, max_length: int) -> str:
    """Escape text for mrkdwn and truncate it to `max_length` characters including escapes.

    A truncated text ends with an ellipsis and never within an escape. Slack requires escapes for three characters
    (docs.slack.dev/messaging/formatting-message-text).
    """
    pieces = [_ESCAPES.get(character, character) for character in text[: max_length + 1]]
    if sum(map(len, pieces)) <= max_length:
        return "".join(pieces)
    kept, available = [], max_length - 1
    for piece in pieces:
        available -= len(piece)
        if available < 0:
            break
        kept.append(piece)
    return "".join(kept) + "…"


def escape_hidden_except_whitespace(text: str) -> str:
    """Return the text with hidden characters escaped, except line breaks and tabs."""
    return "\n".join(
        "\t".join(map(escape_hidden_characters, line.split("\t"))) for line in text.replace("\r\n", "\n").split("\n")
    )


def neutralize_markdown(markdown: str) -> str:
    """Disable mentions and images of a `markdown` block with a zero-width space, and turn links into code.

    An image URL could carry data of the thread to any server when Slack loads the image. A link is shown as its label
    and its URL, so that the target is visible and cannot be clicked.
    """
    return put_links_in_code(_break_active_markup(markdown))


def neutralize_markdown_prefix(markdown: str, max_length: int) -> str:
    """Neutralize the beginning of a text that is still being written, up to `max_length` characters.

    The result for a longer beginning of the same text starts with the result for a shorter one.
    """
    end = len(markdown)
    # The display of a hidden character may depend on the text after it.
    while end and escape_hidden_characters(markdown[end - 1]) != markdown[end - 1]:
        end -= 1
    ambiguous = _AMBIGUOUS_END.search(markdown, max(0, end - _MAX_AMBIGUOUS_LENGTH), end)
    stable = markdown[: ambiguous.start() if ambiguous else end]
    return convert_stable_prefix(_break_active_markup(stable), max_length)


def _break_active_markup(markdown: str) -> str:
    return _ACTIVE_MARKUP.sub(lambda match: match[0] + _ZERO_WIDTH_SPACE, escape_hidden_except_whitespace(markdown))


def truncate(text: str, max_length: int) -> str:
    """Return the text, or its beginning followed by an ellipsis; at most `max_length` characters."""
    return text if len(text) <= max_length else text[: max_length - 1] + "…"


def format_date(at: datetime) -> str:
    """Return a mrkdwn date token, which Slack shows in the reader's time zone; the fallback is in UTC."""
    return f"<!date^{int(at.timestamp())}^{{date_short_pretty}} {{time}}|{at:%Y-%m-%d %H:%M} UTC>"


Block = dict[str, Any]
View = dict[str, Any]
"""Modal or home tab (docs.slack.dev/reference/views)."""

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
