"""What people wrote on Slack, as plain text: from blocks, which have all of it, else from `text`, which may not.

Shapes: docs.slack.dev/reference/block-kit/blocks and docs.slack.dev/messaging/formatting-message-text. Whatever does
not have its documented shape reads as nothing; reading never fails.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

_DEEPEST = 12
_NAMED = {
    "user": ("@", "user_id"),
    "channel": ("#", "channel_id"),
    "usergroup": ("@", "usergroup_id"),
    "broadcast": ("@", "range"),
    "date": ("", "fallback"),
}
_TOKEN = re.compile(r"<([@#!]?)([^<>|\n]*)(?:\|([^<>\n]*))?>")


def text_of(message: Mapping[str, Any]) -> str:
    """The words of a message. A pasted table comes as an attachment with blocks, and `text` lacks it."""
    written = _lines(_listed(message.get("blocks"))) or from_mrkdwn(_word(message, "text"))
    tables = (
        _lines(block for block in _listed(attachment.get("blocks")) if block.get("type") == "table")
        for attachment in _listed(message.get("attachments"))
    )
    # PostgreSQL keeps no NUL in a text.
    return "\n".join(filter(None, (written, *tables))).replace("\x00", "\ufffd").strip()


def from_mrkdwn(text: str) -> str:
    """`text` as Slack writes it, without its escapes: `<@U1|bob>` is @bob, `<https://a.b|docs>` is docs (https://a.b)."""
    return unescaped(_TOKEN.sub(_token, text))


def unescaped(text: str) -> str:
    """Slack escapes these three characters and no others."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _token(found: re.Match[str]) -> str:
    mark, target, label = found[1], found[2], found[3]
    if mark in ("@", "#"):
        return mark + (label or target)
    if mark == "!":
        return label or "@" + target.partition("^")[0]
    return _link(target, label or "")


def _link(url: str, label: str) -> str:
    shown = url.removeprefix("mailto:")
    return shown if label in ("", url, shown) else f"{label} ({url})"


def _lines(blocks: Iterable[Mapping[str, Any]]) -> str:
    return "\n".join(filter(None, (_block(block) for block in blocks)))


def _block(block: Mapping[str, Any], depth: int = 0) -> str:
    match block.get("type"):
        case "rich_text":
            return "\n".join(_section(section, depth + 1) for section in _listed(block.get("elements"))).strip("\n")
        case "section":
            parts = [block.get("text"), *_listed(block.get("fields"))]
            return "\n".join(filter(None, map(_composed, parts)))
        case "header" | "markdown":
            return _composed(block.get("text"))
        case "context":
            return " ".join(filter(None, map(_composed, _listed(block.get("elements")))))
        case "table":
            return "\n".join(_row(row, depth + 1) for row in _rows(block.get("rows")))
        case _:
            return ""


def _composed(text: Any) -> str:
    """A text object, or the bare text of a markdown block."""
    if isinstance(text, str):
        return text
    if not isinstance(text, dict):
        return ""
    written = _word(text, "text")
    return from_mrkdwn(written) if text.get("type") == "mrkdwn" else written


def _row(cells: list[dict[str, Any]], depth: int) -> str:
    return " | ".join(_cell(cell, depth) for cell in cells)


def _cell(cell: Mapping[str, Any], depth: int) -> str:
    return _word(cell, "text") if cell.get("type") == "raw_text" else _block(cell, depth) if depth < _DEEPEST else ""


def _section(section: Mapping[str, Any], depth: int) -> str:
    """One part of rich text (docs.slack.dev/reference/block-kit/blocks/rich-text-block)."""
    if depth > _DEEPEST:
        return ""
    elements = _listed(section.get("elements"))
    match section.get("type"):
        case "rich_text_list":
            return "\n".join(_item(item, number, section, depth) for number, item in enumerate(elements, 1))
        case "rich_text_preformatted":
            return f"```\n{_spoken(elements)}\n```"
        case "rich_text_quote":
            return "\n".join(f"> {line}" for line in _spoken(elements).split("\n"))
        case _:
            return _spoken(elements)


def _item(item: Mapping[str, Any], number: int, rows: Mapping[str, Any], depth: int) -> str:
    indent = rows.get("indent")
    mark = f"{number}." if rows.get("style") == "ordered" else "-"
    return "  " * (min(indent, 8) if isinstance(indent, int) else 0) + f"{mark} {_section(item, depth + 1)}"


def _spoken(elements: Iterable[Mapping[str, Any]]) -> str:
    return "".join(map(_element, elements))


def _element(element: Mapping[str, Any]) -> str:
    kind = element.get("type")
    if kind == "link":
        return _link(_word(element, "url"), _word(element, "text"))
    if kind == "emoji":
        return f":{_word(element, 'name')}:"
    mark, name = _NAMED.get(kind, ("", "text")) if isinstance(kind, str) else ("", "text")
    return mark + _word(element, name)


def _word(of: Mapping[str, Any], name: str) -> str:
    found = of.get(name)
    return found if isinstance(found, str) else ""


def _listed(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _rows(value: Any) -> list[list[dict[str, Any]]]:
    return [_listed(row) for row in value] if isinstance(value, list) else []
