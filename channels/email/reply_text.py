"""New text of a reply above, below and between quotes, the lines in which verdicts may stand, and forwarded mails.

Verdicts do not depend on the removal of quotes: `decision_lines` end at the first sign of a quote by any detector, in
the text or in the HTML, and have only lines that both show. A failure can hide a verdict, never add one.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field

from agents.core.messages import Quote
from channels.email.body_text import clean_text
from channels.email.html_text import HtmlLine, read_html
from channels.email.quote_signs import (
    DELIMITER,
    find_header,
    find_intro_end,
    find_library_quote,
    is_delimiter,
    is_forward_mark,
    is_header_block,
    is_original_mark,
    is_quote_sign,
    is_short_intro,
)
from channels.email.signatures import strip_signature

MAX_LINES = 1000
MAX_LENGTH = 65_536
MAX_DECISION_LINES = 200
MAX_DECISION_LINE_LENGTH = 8192
WRAP_COLUMN = 60
"""Width from which on a line may have been wrapped by the sender's mail program."""
MAX_LINES_BEFORE_QUOTE = 6

__all__ = ["DELIMITER", "ReplyText", "split_reply"]


@dataclass(frozen=True)
class ReplyText:
    """The parts of the text of a mail."""

    new_text: str
    decision_lines: tuple[str, ...] = ()
    forwarded: tuple[Quote, ...] = ()


@dataclass(frozen=True)
class _Lines:
    """Lines with `> ` before quoted ones, and the indexes at which HTML shows the beginning of a quote."""

    lines: list[str]
    starts: frozenset[int] = frozenset()
    is_cut: bool = False


@dataclass
class _Split:
    own: list[str] = field(default_factory=list)
    forwarded: list[Quote] = field(default_factory=list)
    has_quote: bool = False


def split_reply(text: str, html: str | None) -> ReplyText:
    """Split the text of a mail. `html` is the same content as HTML, if the mail has it.

    At most MAX_LINES lines and MAX_LENGTH characters are read; a last line says that there are more.
    """
    plain = _from_text(text)
    rich = None if html is None else _from_html(read_html(html))
    split = _split(plain)
    if rich is not None and (not text.strip() or not split.has_quote):
        rich_split = _split(rich)
        split = rich_split if not text.strip() or rich_split.has_quote else split
    new_text = strip_signature(_tidy(split.own))
    if not split.has_quote and (rich if rich is not None and not text.strip() else plain).is_cut:
        new_text += "\n[The rest of this mail was not read.]"
    return ReplyText(new_text[:MAX_LENGTH].strip(), tuple(_decision_lines(plain, rich)), tuple(split.forwarded))


def _from_text(text: str) -> _Lines:
    lines = clean_text(text[:MAX_LENGTH]).split("\n")
    is_cut = len(text) > MAX_LENGTH or len(lines) > MAX_LINES
    if len(text) > MAX_LENGTH:
        del lines[-1]  # its end is missing
    return _Lines([line.rstrip() for line in lines[:MAX_LINES]], is_cut=is_cut)


def _from_html(lines: Sequence[HtmlLine]) -> _Lines:
    kept = lines[:MAX_LINES]
    return _Lines(
        [f"{'> ' * line.depth}{clean_text(line.text[:MAX_LENGTH])}".rstrip() for line in kept],
        frozenset(index for index, line in enumerate(kept) if line.is_quote_start),
        is_cut=len(lines) > MAX_LINES,
    )


def _split(source: _Lines) -> _Split:
    """Separate the sender's own lines from quoted and forwarded ones."""
    lines, result, index = source.lines, _Split(), 0
    while index < len(lines):
        following: int | None
        if lines[index].startswith(">"):
            following = _skip_quoted(lines, index + 1)
            result.own.append("")
        elif _ends_own_text(lines, index) or index in source.starts:
            following = None if is_delimiter(lines[index]) else _find_marked_quote(lines, index + 1)
            if following is None or _is_forward(lines, index):
                result.has_quote = True
                result.forwarded += _read_forwarded(lines[index:])
                return result
        elif (end := _find_intro(lines, index)) is not None:
            following = _find_marked_quote(lines, end)
        else:
            result.own.append(lines[index])
            index += 1
            continue
        result.has_quote = True
        if following is None:
            break
        index = following
    return result


def _ends_own_text(lines: Sequence[str], index: int) -> bool:
    line = lines[index]
    if line.startswith(">"):
        return False
    return is_delimiter(line) or is_forward_mark(line) or _is_original(lines, index) or is_header_block(lines, index)


def _is_original(lines: Sequence[str], index: int) -> bool:
    """Return whether a mark like `-----Original Message-----` stands here; a bare rule needs headers below it."""
    if not is_original_mark(lines[index]):
        return False
    if any(character.isalpha() for character in lines[index]):
        return True
    following = next((number for number in range(index + 1, len(lines)) if lines[number].strip()), None)
    return following is not None and is_header_block(lines, following)


def _is_forward(lines: Sequence[str], index: int) -> bool:
    return any(is_forward_mark(line) for line in lines[index : index + 3])


def _find_intro(lines: Sequence[str], index: int) -> int | None:
    if (end := find_intro_end(lines, index)) is not None:
        return end
    following = next((line for line in lines[index + 1 : index + 3] if line.strip()), "")
    return index + 1 if is_short_intro(lines[index]) and following.startswith(">") else None


def _find_marked_quote(lines: Sequence[str], start: int) -> int | None:
    """Return the index of the line with `>` that follows the beginning of a quote; None if the quote has no marks."""
    seen = 0
    for index in range(start, len(lines)):
        if lines[index].startswith(">"):
            return index
        seen += bool(lines[index].strip())
        if seen > MAX_LINES_BEFORE_QUOTE:
            break
    return None


def _skip_quoted(lines: Sequence[str], index: int) -> int:
    """Return the index behind lines with `>`. A short line between two of them is the wrapped end of a quoted line."""
    while index < len(lines) and (lines[index].startswith(">") or _is_wrapped_quote(lines, index)):
        index += 1
    return index


def _is_wrapped_quote(lines: Sequence[str], index: int) -> bool:
    return (
        bool(lines[index].strip())
        and len(lines[index - 1]) >= WRAP_COLUMN
        and index + 1 < len(lines)
        and lines[index + 1].startswith(">")
        and len(lines[index]) < WRAP_COLUMN // 2
    )


def _read_forwarded(lines: Sequence[str]) -> list[Quote]:
    """Return a forwarded mail with its author. A quoted mail of Handrail itself is a reply's context, not forwarded."""
    if any(is_delimiter(line) for line in lines):
        return []
    lines = [line for index, line in enumerate(lines) if index or not is_forward_mark(line)]
    lines = _unquote(lines[1:] if lines and is_original_mark(lines[0]) else lines)
    author, index = "", 0
    while index < len(lines):
        header = find_header(lines[index])
        if header is not None:
            author = author or (header[1] if header[0] == "from" else "")
        elif lines[index].strip() and not _is_continuation(lines, index):
            break
        index += 1
    text = _tidy(lines[index:])
    return [Quote(text=text, author=author)] if text else []


def _is_continuation(lines: Sequence[str], index: int) -> bool:
    """Return whether the line continues a header that was wrapped: another header follows it directly."""
    return (
        index > 0 and bool(lines[index - 1].strip()) and find_header("".join(lines[index + 1 : index + 2])) is not None
    )


def _unquote(lines: Sequence[str]) -> list[str]:
    filled = [line for line in lines if line.strip()]
    if filled and all(line.startswith(">") for line in filled):
        return [line.removeprefix(">").removeprefix(" ") for line in lines]
    return list(lines)


def _decision_lines(plain: _Lines, rich: _Lines | None) -> list[str]:
    above = _above_quote(plain)
    if rich is None:
        lines = _unwrap(above)
    elif not any(line.strip() for line in plain.lines):
        lines = _above_quote(rich)
    else:
        written = _condense("".join(above))
        lines = [line for line in _above_quote(rich)[:MAX_DECISION_LINES] if _condense(line) in written]
    return [line for line in lines[:MAX_DECISION_LINES] if len(line) <= MAX_DECISION_LINE_LENGTH]


def _above_quote(source: _Lines) -> list[str]:
    lines = source.lines
    end = min([*source.starts, len(lines)])
    end = next((index for index in range(end) if is_quote_sign(lines, index)), end)
    return lines[: find_library_quote(lines[: end + 2]) if end else 0][:end]


def _condense(text: str) -> str:
    """Return only the letters and digits, to compare text and HTML without line breaks and marks."""
    return "".join(character for character in unicodedata.normalize("NFKC", text).casefold() if character.isalnum())


def _unwrap(lines: Sequence[str]) -> list[str]:
    """Join lines that the mail program has wrapped, so that no word of a sentence begins a line of its own."""
    joined: list[str] = []
    previous = ""
    for line in lines:
        first_word = line.split(" ", 1)[0]
        is_wrapped = (
            bool(first_word) and len(previous) + len(first_word) >= WRAP_COLUMN and previous[-1:] not in ".!?:;"
        )
        if is_wrapped:
            joined[-1] = f"{joined[-1]} {line}"
        else:
            joined.append(line)
        previous = line
    return joined


def _tidy(lines: Sequence[str]) -> str:
    """Return the lines as a text without empty lines at its ends and with at most one in a row."""
    kept = [line for index, line in enumerate(lines) if line.strip() or (index and lines[index - 1].strip())]
    return "\n".join(kept).strip("\n")
