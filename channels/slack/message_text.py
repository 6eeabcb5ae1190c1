"""What people wrote on Slack, as plain text: from blocks, which have all of it, else from `text`, which may not.

Shapes: docs.slack.dev/reference/block-kit/blocks and docs.slack.dev/messaging/formatting-message-text. Whatever does
not have its documented shape reads as nothing; reading never fails.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_MAX_DEPTH = 12
_MENTION_MARK = "\x00"
"""Marks both ends of a mention until the whole text is read. No text has it: PostgreSQL keeps no NUL either."""

_MENTION = re.compile(r"\x00@([^\x00|]*)[|]([^\x00]*)\x00")
_PHONE_NUMBER = re.compile(r"[+0-9(][0-9 ().-]{0,40}", re.ASCII)
_ELEMENT_FIELDS = {
    "channel": ("#", "channel_id"),
    "usergroup": ("@", "usergroup_id"),
    "broadcast": ("@", "range"),
    "date": ("", "fallback"),
}
_TOKEN = re.compile(r"<([@#!]?)([^<>|\n]*)(?:\|([^<>\n]*))?>")


def extract_text(message: Mapping[str, Any], bot_user_id: str = "") -> str:
    """The words of a message, without mentions of the user `ours`.

    A pasted table comes as an attachment with blocks, and `text` lacks it.
    """
    written = _render_blocks(get_objects(message.get("blocks"))) or _decode_mrkdwn(get_text(message, "text"))
    tables = (
        _render_blocks(block for block in get_objects(attachment.get("blocks")) if block.get("type") == "table")
        for attachment in get_objects(message.get("attachments"))
    )
    return _replace_mentions("\n".join(filter(None, (written, *tables))), bot_user_id).strip()


def mrkdwn_to_text(text: str) -> str:
    """`text` as Slack writes it, without its escapes: `<@U1|bob>` is @bob, `<https://a.b|docs>` is docs (https://a.b)."""
    return _replace_mentions(_decode_mrkdwn(text.replace(_MENTION_MARK, "\ufffd")), "")


def _decode_mrkdwn(text: str) -> str:
    return unescape(_TOKEN.sub(_render_token, text))


def _replace_mentions(text: str, bot_user_id: str) -> str:
    """The text with every mention written as `@name`, or left out with the blanks around it where it is ours."""
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
    """The pieces between mentions of our name, with one blank where it stood between two words."""
    last, *rest = pieces
    for piece in rest:
        following = (piece[1:] if piece.startswith((":", ",")) else piece).lstrip(" \t")
        ends = not following or following[0] in ".!?\n"
        yield last.rstrip(" \t,") if ends else last.rstrip(" \t")
        yield "" if ends or not last.strip(" \t") or last.endswith("\n") else " "
        last = following
    yield last


def unescape(text: str) -> str:
    """Slack escapes these three characters and no others."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _render_token(found: re.Match[str]) -> str:
    mark, target, label = found[1], found[2], found[3]
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
    """A link of somebody's own has a label and an address; one that Slack made of a word reads as it was typed."""
    if not label:
        return url.removeprefix("mailto:").removeprefix("tel:")
    return label if _is_autolinked(url, label) else f"{label} ({url})"


def _is_autolinked(url: str, label: str) -> bool:
    """Whether the address is the label itself, with what Slack adds to a domain, a mail address or a number."""
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
    """A text object, or the bare text of a markdown block."""
    if isinstance(text, str):
        return text.replace(_MENTION_MARK, "\ufffd")
    if not isinstance(text, dict):
        return ""
    written = get_text(text, "text")
    return _decode_mrkdwn(written) if text.get("type") == "mrkdwn" else written


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
    """One part of rich text (docs.slack.dev/reference/block-kit/blocks/rich-text-block)."""
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


def _render_list_item(item: Mapping[str, Any], number: int, rows: Mapping[str, Any], depth: int) -> str:
    indent = rows.get("indent")
    mark = f"{number}." if rows.get("style") == "ordered" else "-"
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
    """The text of that name; empty when there is none."""
    found = container.get(name)
    return found.replace(_MENTION_MARK, "\ufffd") if isinstance(found, str) else ""


def get_objects(value: Any) -> list[dict[str, Any]]:
    """The objects in a list; none in anything else."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _table_rows(value: Any) -> list[list[dict[str, Any]]]:
    return [get_objects(row) for row in value] if isinstance(value, list) else []
