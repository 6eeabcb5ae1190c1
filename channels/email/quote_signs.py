"""Signs of a quote in the text of a mail: lines that mail programs write above a quoted or forwarded mail.

Two kinds of detectors exist: those that find the quote exactly, for the new text, and
`is_quote_sign`, which is true for anything that could belong to a quote, for the lines in which verdicts may stand.
"""

import re
from collections.abc import Sequence

import quotequail  # type: ignore[import-untyped]

from channels.email.quote_words import (
    ATTACHED_WROTE_WORDS,
    FORWARD_MARKS,
    HEADER_KINDS,
    ORIGINAL_MARKS,
    WROTE_WORDS,
)

DELIMITER = "##- Reply above this line -##"
"""The first line of each text that Handrail sends."""
COLONS = (":", "\N{FULLWIDTH COLON}")
WORD_MARKS = "".join(COLONS) + ",<>\"'"
MAX_INTRO_LINES = 4
MAX_SCANNED_LINE_LENGTH = 400
"""Characters of a line that detectors read: longer lines are no headers and no introductions."""

_ADDRESS = re.compile(r"[^\s@<>]@[^\s@<>]{1,200}\.[^\s@<>]")
_CLOCK_TIME = re.compile(r"(?<![0-9])[0-9]{1,2}[:.h時][0-9]{2}(?![0-9])")
_DATE = re.compile(r"(?<![0-9])(?:19|20)[0-9]{2}(?![0-9])|(?<![0-9])[0-9]{1,2}[./-][0-9]{1,2}[./-][0-9]{2}(?![0-9])")
_DECORATION = " \t*_|>-=~#\N{NO-BREAK SPACE}"
_MIN_RULE_LENGTH = 20


def is_delimiter(line: str) -> bool:
    """Return whether the line has the delimiter of Handrail's own mails, with any text around it."""
    return DELIMITER in line


def find_header(line: str) -> tuple[str, str] | None:
    """Return kind and value of a header as in a quote: `("from", "Bob")` for `*Von:* Bob`; None for other lines."""
    name, colon, value = line[:MAX_SCANNED_LINE_LENGTH].replace(COLONS[1], ":").partition(":")
    kind = HEADER_KINDS.get(name.strip(_DECORATION).casefold()) if colon else None
    return None if kind is None else (kind, value.strip(" \t*\N{NO-BREAK SPACE}"))


def is_header_block(lines: Sequence[str], start: int) -> bool:
    """Return whether a quoted mail's headers begin here: a sender, and another header in the lines below."""
    first = find_header(lines[start])
    if first is None or first[0] not in {"from", "date"} or not first[1]:
        return False
    kinds = [header[0] for line in lines[start : start + 8] if (header := find_header(line))]
    return "from" in kinds and len(set(kinds)) > 1


def is_forward_mark(line: str) -> bool:
    """Return whether a forwarded mail begins below: `---------- Forwarded message ---------` in any language."""
    return _has_mark(line, FORWARD_MARKS)


def is_original_mark(line: str) -> bool:
    """Return whether a quoted mail begins below: `-----Original Message-----` in any language, or a rule."""
    is_dashed = line.strip().startswith("---") and line.strip().endswith("---")
    return _has_mark(line, ORIGINAL_MARKS) or is_rule(line) or (is_dashed and has_time(line))


def is_rule(line: str) -> bool:
    """Return whether the line consists of at least twenty underscores."""
    stripped = line.strip(" \t>*")
    return len(stripped) >= _MIN_RULE_LENGTH and not stripped.strip("_")


def _has_mark(line: str, marks: tuple[str, ...]) -> bool:
    stripped = line[:MAX_SCANNED_LINE_LENGTH].strip(" \t>*")
    text = stripped.strip(_DECORATION).replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").casefold()
    is_decorated = stripped.startswith(("--", "__", "==")) or stripped.endswith(COLONS)
    return is_decorated and text.startswith(marks)


def find_intro_end(lines: Sequence[str], start: int) -> int | None:
    """Return the index behind the line that introduces a quote and begins here, as `On … Bob wrote:`; else None.

    Mail programs wrap it over up to MAX_INTRO_LINES lines.
    """
    joined = ""
    for index in range(start, min(start + MAX_INTRO_LINES, len(lines))):
        line = lines[index].strip()[:MAX_SCANNED_LINE_LENGTH]
        if not line or line.startswith(">"):
            return None
        joined = f"{joined} {line}".strip()
        if line.endswith(COLONS):
            return index + 1 if _is_intro(joined) else None
    return None


def _is_intro(text: str) -> bool:
    words = {word.strip(WORD_MARKS) for word in text.casefold().split()}
    has_verb = not words.isdisjoint(WROTE_WORDS) or any(word in text for word in ATTACHED_WROTE_WORDS)
    return (has_verb and (has_time(text) or has_address(text))) or (has_time(text) and has_address(text))


def is_short_intro(line: str) -> bool:
    """Return whether a line could introduce a quote without date and address: `Bob wrote:`."""
    stripped = line.strip()[:MAX_SCANNED_LINE_LENGTH].casefold()
    return stripped.endswith(COLONS) and any(word in stripped for word in WROTE_WORDS)


def has_address(text: str) -> bool:
    """Return whether the text contains an email address."""
    return "@" in text and _ADDRESS.search(text) is not None


def has_time(text: str) -> bool:
    """Return whether the text contains a clock time and a date or year."""
    return _CLOCK_TIME.search(text) is not None and _DATE.search(text) is not None


def is_quote_sign(lines: Sequence[str], index: int) -> bool:
    """Return whether anything in this line could belong to a quote or introduce one."""
    line = lines[index][:MAX_SCANNED_LINE_LENGTH].strip()
    header = find_header(line)
    return bool(
        is_delimiter(lines[index])
        or line.startswith((">", "|", "\N{FULLWIDTH GREATER-THAN SIGN}"))
        or (header and header[0] in {"from", "date"} and header[1])
        or is_forward_mark(line)
        or is_original_mark(line)
        or is_short_intro(line)
        or find_intro_end(lines, index) is not None
        or has_address(line)
        or has_time(line)
        or (len(lines[index]) > MAX_SCANNED_LINE_LENGTH and has_address(lines[index][:8000]))
    )


def find_library_quote(lines: Sequence[str]) -> int:
    """Return the index of the first line at which quotequail sees a quote; the number of lines if it sees none."""
    cut = [line[:MAX_SCANNED_LINE_LENGTH] for line in lines]
    parts = quotequail.quote("\n".join(cut), limit=len(cut) + 2, quote_intro_line=True)
    is_shown, text = parts[0]
    return len(cut) if len(parts) == 1 or not is_shown else text.count("\n") + bool(text)
