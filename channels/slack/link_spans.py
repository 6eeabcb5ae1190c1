"""Conversion of links in untrusted Markdown into code spans: they can be read and copied but not clicked.

Slack makes a link of every URL in a `markdown` block except in code, and no setting prevents that. Its parser is not
documented, so a code span of the text counts as code only if all readings of CommonMark 0.31 agree: it is within one
line and one table cell, and no unpaired backticks come before it in its paragraph.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from channels.slack.code_spans import Fences, Line, may_become_fence

_LINK = re.compile(
    r"(?<=[a-z0-9+.-])://(?=.)|(?<![a-z0-9])(?:mailto:|tel:|www\.)(?=[a-z0-9+])"
    r"|(?<=[a-z0-9._%+-])@(?=[a-z0-9-]{1,63}\.[a-z])|(?<=[a-z0-9-])\.(?=[a-z]{2,24}(?::[0-9]{1,5})?/)",
    re.ASCII | re.IGNORECASE,
)
"""Parts that make a word a link: a scheme, `www.`, the @ of a mail address, the last dot of a host with a path.

Each alternative begins with a literal, so that the search takes linear time.
"""

_URL_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+.-"
_CHARACTERS_BEFORE = {"@": _URL_CHARACTERS + "_%"}
_LINK_PREFIXES = ("http://", "https://", "ftp://", "www.", "mailto:", "tel:")
_SUSPECT = re.compile(
    r"(?<![a-z0-9])(?:https?://|ftp://|www\.|mailto:|tel:)|[:@\\]|\.(?![0-9])", re.ASCII | re.IGNORECASE
)
"""Beginning of a possible link: while a text is being written, the rest of such a word is shown once it is complete."""

_TRAILING_PUNCTUATION = "?!.,:;*_~'\"\\"
MAX_GROWTH = 2
"""Maximum factor by which a text grows: a link has at least five characters and gets at most eight more."""


def put_links_in_code(markdown: str) -> str:
    """Return the text with each link in a code span."""
    return "".join(_LinkConverter(markdown.split("\n")).pieces())


def put_links_of_prefix_in_code(markdown: str, max_length: int) -> str:
    """Convert the beginning of a text, as far as no continuation of it can change the result.

    An unusual link may become code only from its middle on.
    """
    kept, available = list[str](), max_length
    for piece in _LinkConverter(markdown.split("\n"), is_complete=False).pieces():
        if len(piece) > available:
            kept.append("" if "`" in piece else piece[:available])
            break
        kept.append(piece)
        available -= len(piece)
    return "".join(kept)


@dataclass
class _LinkConverter:
    """Single pass over the lines of a text.

    `unpaired_lengths` are the lengths of backtick runs in this paragraph that may pair with a later run. `is_undecided`
    means that the rest depends on text that is not known yet.
    """

    lines: list[str]
    is_complete: bool = True
    fences: Fences = field(default_factory=Fences)
    unpaired_lengths: set[int] = field(default_factory=set)
    is_table: bool = False
    is_undecided: bool = False

    def pieces(self) -> Iterator[str]:
        for number, line in enumerate(self.lines):
            is_last = number == len(self.lines) - 1
            is_open = is_last and not self.is_complete
            yield "\n" if number else ""
            if is_open and self.fences.is_open(line):
                yield from line  # character by character, as it may be truncated anywhere
            elif is_open and may_become_fence(line):
                return
            elif not is_open and self.fences.take(line + ("" if is_last else "\n")):
                yield from line
            else:
                yield from self._inline(line, number, is_open=is_open)
            if self.is_undecided:
                return

    def _inline(self, text: str, number: int, *, is_open: bool) -> Iterator[str]:
        if not text.strip():
            self.unpaired_lengths, self.is_table = set(), False
        self.is_table = self.is_table or _is_delimiter_row(text)
        line, at = Line.of(text, is_open=is_open), 0
        while at < len(line.pieces) and not self.is_undecided:
            if line.is_run(at):
                end = self._end_of_span(line, at, number)
                yield "".join(line.pieces[at:end])
            else:
                end = at + 1
                yield from self._word(line, at)
            at = end

    def _end_of_span(self, line: Line, at: int, number: int) -> int:
        """Return the index after the code span that begins here, or after its first run if it may not be one."""
        closer = line.closers[at]
        self.is_undecided = (closer is None and line.is_open) or (line.has_cells(at) and self._is_row(number) is None)
        if self.is_undecided:
            return at
        if closer is not None and self._counts(line, at, closer) and not (line.has_cells(at) and self._is_row(number)):
            return closer + 1
        self.unpaired_lengths |= line.lengths(at)
        return at + 1

    def _counts(self, line: Line, at: int, closer: int) -> bool:
        """Return whether the span is code in every reading: no unpaired run can pair with a run in it."""
        if line.is_escaped(at) or line.is_escaped(closer):
            return False
        if not self.unpaired_lengths:
            return True
        return len(line.pieces[at]) not in self.unpaired_lengths and line.next_runs[at] == closer

    def _is_row(self, number: int) -> bool | None:
        """Return whether the line may be a table row; None if that depends on an unknown next line."""
        if self.is_table:
            return True
        following = self._next_line(number)
        return None if following is None else _is_delimiter_row(following)

    def _next_line(self, number: int) -> str | None:
        """Return the next line, empty after the last one; None if it is not known yet."""
        last = len(self.lines) - 1 if self.is_complete else len(self.lines) - 2
        if number < last:
            return self.lines[number + 1]
        return "" if self.is_complete else None

    def _word(self, line: Line, at: int) -> Iterator[str]:
        word = line.pieces[at]
        start, end = _link_in(word)
        if line.is_open and at == len(line.pieces) - 1:
            self.is_undecided = True
            yield word[: _end_of_known(word)]
        elif start == end:
            yield word
        else:
            start = start if self.is_complete else max(start, _first_suspect(word))
            before = " " if start == 0 and line.is_run(at - 1) else ""
            after = " " if end == len(word) and line.is_run(at + 1) else ""
            mark = self._mark()
            yield word[:start]
            yield f"{before}{mark}{word[start:end]}{mark.strip()}{after}"
            yield word[end:]

    def _mark(self) -> str:
        """Return a delimiter that pairs only with itself; if there is none, one that starts a new paragraph."""
        for mark in ("`", "``"):
            if len(mark) not in self.unpaired_lengths:
                return mark
        self.unpaired_lengths = set()
        return "\n\n`"


def _first_suspect(word: str) -> int:
    found = _SUSPECT.search(word)
    return found.start() if found else len(word)


def _end_of_known(word: str) -> int:
    """Return the length of the part of an incomplete word in which no link can begin."""
    end = _first_suspect(word)
    for start in range(max(0, len(word) - len("https://")), end):
        is_first = start == 0 or not (word[start - 1].isascii() and word[start - 1].isalnum())
        if is_first and any(head.startswith(word[start:].lower()) for head in _LINK_PREFIXES):
            return start
    return end


def _link_in(word: str) -> tuple[int, int]:
    """Return the start and end of the link in a word, with backslashes before it and without trailing punctuation."""
    match = _LINK.search(word)
    if match is None:
        return 0, 0
    before = word[: match.start()].rstrip(_CHARACTERS_BEFORE.get(match[0], _URL_CHARACTERS)).rstrip("\\")
    return len(before), max(match.end(), _end_of_link(word, len(before)))


def _end_of_link(word: str, start: int) -> int:
    """Return the end of a link without trailing punctuation and unmatched closing brackets (as in GFM)."""
    link = word[start:]
    end, closing = len(word), {")": link.count(")") - link.count("("), "]": link.count("]") - link.count("[")}
    while end > start:
        last = word[end - 1]
        if closing.get(last, 0) > 0:
            closing[last] -= 1
        elif last not in _TRAILING_PUNCTUATION:
            break
        end -= 1
    return end


def _is_delimiter_row(line: str) -> bool:
    """Return whether the line may be a table's delimiter row, such as `|---|---|`."""
    return "-" in line and not line.strip(" \t|:-")
