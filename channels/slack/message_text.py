"""Extraction of a message's plain text from its blocks. A message without blocks has its text in `text`.

Formats: docs.slack.dev/reference/block-kit/blocks and docs.slack.dev/messaging/formatting-message-text. Parts that do
not have their documented format yield no text; extraction never raises.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_MAX_DEPTH = 12
"""Nesting of blocks beyond which text is left out."""
_MENTION_MARK = "\x00"
"""Marks both ends of a mention until the complete text is extracted. In Slack's own text it is replaced by U+FFFD."""

_MENTION = re.compile(r"\x00@([^\x00|]*)[|]([^\x00]*)\x00")
_PHONE_NUMBER = re.compile(r"[+0-9(][0-9 ().-]{0,40}", re.ASCII)
# Prefix and field of the text of each rich text element; all others have `text`.
_ELEMENT_FIELDS = {
    "channel": ("#", "channel_id"),
    "usergroup": ("@", "usergroup_id"),
    "broadcast": ("@", "range"),
    "date": ("", "fallback"),
}
_TOKEN = re.compile(r"<([@#!]?)([^<>|\n]*)(?:\|([^<>\n]*))?>")


def extract_text(message: Mapping[str, Any], bot_user_id: str = "") -> str:
    """Return the text of a message, without mentions of the user `bot_user_id`.

    A pasted table arrives as an attachment with blocks and is missing in `text`.
    """
    text = _render_blocks(get_objects(message.get("blocks"))) or _decode_mrkdwn(get_text(message, "text"))
    tables = (
        _render_blocks(block for block in get_objects(attachment.get("blocks")) if block.get("type") == "table")
        for attachment in get_objects(message.get("attachments"))
    )
    return _replace_mentions("\n".join(filter(None, (text, *tables))), bot_user_id).strip()


def mrkdwn_to_text(text: str) -> str:
    """Decode mrkdwn: `<@U1|bob>` becomes @bob, `<https://a.b|docs>` becomes docs (https://a.b)."""
    return _replace_mentions(_decode_mrkdwn(text.replace(_MENTION_MARK, "\ufffd")), "")


def _decode_mrkdwn(text: str) -> str:
    return unescape(_TOKEN.sub(_render_token, text))


def _replace_mentions(text: str, bot_user_id: str) -> str:
    """Replace marked mentions by `@name`, and remove those of the bot with the spaces around them."""
    pieces: list[list[str]] = [[]]
    names = _MENTION.split(text)
    for before, user, label in zip(names[::3], (*names[1::3], ""), (*names[2::3], ""), strict=True):
        pieces[-1].append(before)
        if user and user == bot_user_id:
            pieces.append([])
        elif user:
            pieces[-1].append(f"@{label or user}")
    return "".join(_join_around_mentions(["".join(piece) for piece in pieces]))


def _join_around_mentions(pieces: list[str]) -> Iterator[str]:
    """Yield the pieces between removed mentions, with one space where a mention stood between two words."""
    before, *rest = pieces
    for piece in rest:
        after = (piece[1:] if piece.startswith((":", ",")) else piece).lstrip(" \t")
        is_end = not after or after[0] in ".!?\n"
        yield before.rstrip(" \t,") if is_end else before.rstrip(" \t")
        yield "" if is_end or not before.strip(" \t") or before.endswith("\n") else " "
        before = after
    yield before


def unescape(text: str) -> str:
    """Decode the three characters that Slack escapes."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _render_token(match: re.Match[str]) -> str:
    mark, target, label = match[1], match[2], match[3]
    if mark == "@":
        return _mark_mention(target, label or "")
    if mark == "#":
        return mark + (label or target)
    if mark == "!":
        return label or "@" + target.partition("^")[0]
    return _render_link(target, label or "")


def _mark_mention(user: str, label: str = "") -> str:
    return f"{_MENTION_MARK}@{user}|{label}{_MENTION_MARK}"


def _render_link(url: str, label: str) -> str:
    """Return `label (url)`, or only the label if Slack made the link from a typed URL, mail address or phone number."""
    if not label:
        return url.removeprefix("mailto:").removeprefix("tel:")
    return label if _is_autolinked(url, label) else f"{label} ({url})"


def _is_autolinked(url: str, label: str) -> bool:
    """Return whether the URL is the label itself, apart from the scheme and slash that Slack adds."""
    if url.startswith("tel:"):
        return _PHONE_NUMBER.fullmatch(label) is not None and _digits(url) == _digits(label)
    return _normalize_url(url) == _normalize_url(label)


def _digits(number: str) -> str:
    return "".join(filter(str.isdigit, number))


def _normalize_url(address: str) -> str:
    for scheme in ("https://", "http://", "mailto:"):
        address = address.removeprefix(scheme)
    return address.removesuffix("/").lower()


def _render_blocks(blocks: Iterable[Mapping[str, Any]]) -> str:
    return "\n".join(filter(None, (_render_block(block) for block in blocks)))


def _render_block(block: Mapping[str, Any], depth: int = 0) -> str:
    match block.get("type"):
        case "rich_text":
            return "\n".join(
                _render_rich_text(section, depth + 1) for section in get_objects(block.get("elements"))
            ).strip("\n")
        case "section":
            parts = [block.get("text"), *get_objects(block.get("fields"))]
            return "\n".join(filter(None, map(_render_text_object, parts)))
        case "header" | "markdown":
            return _render_text_object(block.get("text"))
        case "context":
            return " ".join(filter(None, map(_render_text_object, get_objects(block.get("elements")))))
        case "table":
            return "\n".join(_render_row(row, depth + 1) for row in _table_rows(block.get("rows")))
        case _:
            return ""


def _render_text_object(text: Any) -> str:
    """Render a text object, or the plain string of a markdown block."""
    if isinstance(text, str):
        return text.replace(_MENTION_MARK, "\ufffd")
    if not isinstance(text, dict):
        return ""
    content = get_text(text, "text")
    return _decode_mrkdwn(content) if text.get("type") == "mrkdwn" else content


def _render_row(cells: list[dict[str, Any]], depth: int) -> str:
    return " | ".join(_render_cell(cell, depth) for cell in cells)


def _render_cell(cell: Mapping[str, Any], depth: int) -> str:
    return (
        get_text(cell, "text")
        if cell.get("type") == "raw_text"
        else _render_block(cell, depth)
        if depth < _MAX_DEPTH
        else ""
    )


def _render_rich_text(section: Mapping[str, Any], depth: int) -> str:
    """Render one element of a rich text block (docs.slack.dev/reference/block-kit/blocks/rich-text-block)."""
    if depth > _MAX_DEPTH:
        return ""
    elements = get_objects(section.get("elements"))
    match section.get("type"):
        case "rich_text_list":
            return "\n".join(_render_list_item(item, number, section, depth) for number, item in enumerate(elements, 1))
        case "rich_text_preformatted":
            return f"```\n{_render_elements(elements)}\n```"
        case "rich_text_quote":
            return "\n".join(f"> {line}" for line in _render_elements(elements).split("\n"))
        case _:
            return _render_elements(elements)


def _render_list_item(item: Mapping[str, Any], number: int, parent: Mapping[str, Any], depth: int) -> str:
    indent = parent.get("indent")
    mark = f"{number}." if parent.get("style") == "ordered" else "-"
    return "  " * (min(indent, 8) if isinstance(indent, int) else 0) + f"{mark} {_render_rich_text(item, depth + 1)}"


def _render_elements(elements: Iterable[Mapping[str, Any]]) -> str:
    return "".join(map(_render_element, elements))


def _render_element(element: Mapping[str, Any]) -> str:
    kind = element.get("type")
    if kind == "link":
        return _render_link(get_text(element, "url"), get_text(element, "text"))
    if kind == "emoji":
        return f":{get_text(element, 'name')}:"
    if kind == "user":
        return _mark_mention(get_text(element, "user_id"))
    mark, name = _ELEMENT_FIELDS.get(kind, ("", "text")) if isinstance(kind, str) else ("", "text")
    return mark + get_text(element, name)


def get_text(container: Mapping[str, Any], name: str) -> str:
    """Return the string in this field, empty if there is none."""
    text = container.get(name)
    return text.replace(_MENTION_MARK, "\ufffd") if isinstance(text, str) else ""


def get_objects(value: Any) -> list[dict[str, Any]]:
    """Return the objects of a list; an empty list for any other value."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _table_rows(value: Any) -> list[list[dict[str, Any]]]:
    return [get_objects(row) for row in value] if isinstance(value, list) else []
