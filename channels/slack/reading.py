"""What people wrote on Slack, as plain text: from blocks, which have all of it, else from `text`, which may not.

Shapes: docs.slack.dev/reference/block-kit/blocks and docs.slack.dev/messaging/formatting-message-text. Whatever does
not have its documented shape reads as nothing; reading never fails.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_DEEPEST = 12
_NAME = "\x00"
"""Marks both ends of a mention until the whole text is read. No text has it: PostgreSQL keeps no NUL either."""

_MENTION = re.compile(r"\x00@([^\x00|]*)[|]([^\x00]*)\x00")
_NUMBER = re.compile(r"[+0-9(][0-9 ().-]{0,40}", re.ASCII)
_NAMED = {
    "channel": ("#", "channel_id"),
    "usergroup": ("@", "usergroup_id"),
    "broadcast": ("@", "range"),
    "date": ("", "fallback"),
}
_TOKEN = re.compile(r"<([@#!]?)([^<>|\n]*)(?:\|([^<>\n]*))?>")


def text_of(message: Mapping[str, Any], ours: str = "") -> str:
    """The words of a message, without mentions of the user `ours`.

    A pasted table comes as an attachment with blocks, and `text` lacks it.
    """
    written = _lines(listed(message.get("blocks"))) or _from_mrkdwn(word(message, "text"))
    tables = (
        _lines(block for block in listed(attachment.get("blocks")) if block.get("type") == "table")
        for attachment in listed(message.get("attachments"))
    )
    return _named("\n".join(filter(None, (written, *tables))), ours).strip()


def from_mrkdwn(text: str) -> str:
    """`text` as Slack writes it, without its escapes: `<@U1|bob>` is @bob, `<https://a.b|docs>` is docs (https://a.b)."""
    return _named(_from_mrkdwn(text.replace(_NAME, "\ufffd")), "")


def _from_mrkdwn(text: str) -> str:
    return unescaped(_TOKEN.sub(_token, text))


def _named(text: str, ours: str) -> str:
    """The text with every mention written as `@name`, or left out with the blanks around it where it is ours."""
    pieces: list[list[str]] = [[]]
    names = _MENTION.split(text)
    for before, user, label in zip(names[::3], (*names[1::3], ""), (*names[2::3], ""), strict=True):
        pieces[-1].append(before)
        if user and user == ours:
            pieces.append([])
        elif user:
            pieces[-1].append(f"@{label or user}")
    return "".join(_joined(["".join(piece) for piece in pieces]))


def _joined(pieces: list[str]) -> Iterator[str]:
    """The pieces between mentions of our name, with one blank where it stood between two words."""
    last, *rest = pieces
    for piece in rest:
        following = (piece[1:] if piece.startswith((":", ",")) else piece).lstrip(" \t")
        ends = not following or following[0] in ".!?\n"
        yield last.rstrip(" \t,") if ends else last.rstrip(" \t")
        yield "" if ends or not last.strip(" \t") or last.endswith("\n") else " "
        last = following
    yield last


def unescaped(text: str) -> str:
    """Slack escapes these three characters and no others."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _token(found: re.Match[str]) -> str:
    mark, target, label = found[1], found[2], found[3]
    if mark == "@":
        return _mention(target, label or "")
    if mark == "#":
        return mark + (label or target)
    if mark == "!":
        return label or "@" + target.partition("^")[0]
    return _link(target, label or "")


def _mention(user: str, label: str = "") -> str:
    return f"{_NAME}@{user}|{label}{_NAME}"


def _link(url: str, label: str) -> str:
    """A link of somebody's own has a label and an address; one that Slack made of a word reads as it was typed."""
    if not label:
        return url.removeprefix("mailto:").removeprefix("tel:")
    return label if _is_typed(url, label) else f"{label} ({url})"


def _is_typed(url: str, label: str) -> bool:
    """Whether the address is the label itself, with what Slack adds to a domain, a mail address or a number."""
    if url.startswith("tel:"):
        return _NUMBER.fullmatch(label) is not None and _digits(url) == _digits(label)
    return _bare(url) == _bare(label)


def _digits(number: str) -> str:
    return "".join(filter(str.isdigit, number))


def _bare(address: str) -> str:
    for scheme in ("https://", "http://", "mailto:"):
        address = address.removeprefix(scheme)
    return address.removesuffix("/").lower()


def _lines(blocks: Iterable[Mapping[str, Any]]) -> str:
    return "\n".join(filter(None, (_block(block) for block in blocks)))


def _block(block: Mapping[str, Any], depth: int = 0) -> str:
    match block.get("type"):
        case "rich_text":
            return "\n".join(_section(section, depth + 1) for section in listed(block.get("elements"))).strip("\n")
        case "section":
            parts = [block.get("text"), *listed(block.get("fields"))]
            return "\n".join(filter(None, map(_composed, parts)))
        case "header" | "markdown":
            return _composed(block.get("text"))
        case "context":
            return " ".join(filter(None, map(_composed, listed(block.get("elements")))))
        case "table":
            return "\n".join(_row(row, depth + 1) for row in _rows(block.get("rows")))
        case _:
            return ""


def _composed(text: Any) -> str:
    """A text object, or the bare text of a markdown block."""
    if isinstance(text, str):
        return text.replace(_NAME, "\ufffd")
    if not isinstance(text, dict):
        return ""
    written = word(text, "text")
    return _from_mrkdwn(written) if text.get("type") == "mrkdwn" else written


def _row(cells: list[dict[str, Any]], depth: int) -> str:
    return " | ".join(_cell(cell, depth) for cell in cells)


def _cell(cell: Mapping[str, Any], depth: int) -> str:
    return word(cell, "text") if cell.get("type") == "raw_text" else _block(cell, depth) if depth < _DEEPEST else ""


def _section(section: Mapping[str, Any], depth: int) -> str:
    """One part of rich text (docs.slack.dev/reference/block-kit/blocks/rich-text-block)."""
    if depth > _DEEPEST:
        return ""
    elements = listed(section.get("elements"))
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
        return _link(word(element, "url"), word(element, "text"))
    if kind == "emoji":
        return f":{word(element, 'name')}:"
    if kind == "user":
        return _mention(word(element, "user_id"))
    mark, name = _NAMED.get(kind, ("", "text")) if isinstance(kind, str) else ("", "text")
    return mark + word(element, name)


def word(of: Mapping[str, Any], name: str) -> str:
    """The text of that name; empty when there is none."""
    found = of.get(name)
    return found.replace(_NAME, "\ufffd") if isinstance(found, str) else ""


def listed(value: Any) -> list[dict[str, Any]]:
    """The objects in a list; none in anything else."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _rows(value: Any) -> list[list[dict[str, Any]]]:
    return [listed(row) for row in value] if isinstance(value, list) else []
