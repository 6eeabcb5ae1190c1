"""Conversion of links in untrusted Markdown into code spans: they can be read and copied but not clicked.

Slack turns every URL in a `markdown` block into a link, except in code, and no setting prevents that. Slack does not
document its Markdown parser. Text between backticks is therefore treated as code only if every CommonMark 0.31 parser
treats it as code: it is within one line and one table cell, and no unpaired backticks precede it in its paragraph.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from channels.slack.text_splitter import Fences, Line, may_become_fence

_LINK_MARKER = re.compile(
    r"(?<=[a-z0-9+.-])://(?=.)|(?<![a-z0-9])(?:mailto:|tel:|www\.)(?=[a-z0-9+])"
    r"|(?<=[a-z0-9._%+-])@(?=[a-z0-9-]{1,63}\.[a-z])|(?<=[a-z0-9-])\.(?=[a-z]{2,24}(?::[0-9]{1,5})?/)",
    re.ASCII | re.IGNORECASE,
)
"""Pattern of the part by which a word is recognized as a link.

It is `://`, `mailto:`, `tel:`, `www.`, the @ of a mail address, or the last dot of a host name that has a path. Each
alternative begins with a literal, so that the search takes linear time.
"""

_URL_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+.-"
_CHARACTERS_BEFORE_MARKER = {"@": _URL_CHARACTERS + "_%"}
_LINK_PREFIXES = ("http://", "https://", "ftp://", "www.", "mailto:", "tel:")
_POSSIBLE_LINK_START = re.compile(
    r"(?<![a-z0-9])(?:https?://|ftp://|www\.|mailto:|tel:)|[:@\\]|\.(?![0-9])", re.ASCII | re.IGNORECASE
)
"""Pattern of the beginning of a possible link.

While a text is being written, its last word is shown only up to such a beginning, until the word is complete.
"""

_TRAILING_PUNCTUATION = "?!.,:;*_~'\"\\"
MAX_GROWTH_FACTOR = 2
"""Maximum factor by which the conversion lengthens a text.

A link has at least five characters. Conversion adds at most four, and one space beside each run of backticks that the
link touches.
"""


def put_links_in_code(markdown: str) -> str:
    """Return the text with each link in a code span."""
    return "".join(_LinkConverter(markdown.split("\n")).convert())


def convert_stable_prefix(markdown: str, max_length: int) -> str:
    """Convert the beginning of a text that is still being written, as far as later text cannot change the result.

    The result has at most `max_length` characters. An unusual link may be in code only from its middle on, because its
    beginning is returned before the link can be recognized.
    """
    kept, available = list[str](), max_length
    for piece in _LinkConverter(markdown.split("\n"), is_complete=False).convert():
        if len(piece) > available:
            kept.append("" if "`" in piece else piece[:available])
            break
        kept.append(piece)
        available -= len(piece)
    return "".join(kept)


@dataclass
class _LinkConverter:
    """Converter that reads the lines of a text once. Without `is_complete` the last line is still being written.

    `unpaired_lengths` are the lengths of backtick runs in this paragraph that may pair with a later run. `is_undecided`
    means that the rest of the result depends on text that is not known yet.
    """

    lines: list[str]
    is_complete: bool = True
    fences: Fences = field(default_factory=Fences)
    unpaired_lengths: set[int] = field(default_factory=set)
    is_table: bool = False
    is_undecided: bool = False

    def convert(self) -> Iterator[str]:
        """Yield the converted text in pieces; a piece with backticks must not be truncated."""
        for line_index, line in enumerate(self.lines):
            is_last = line_index == len(self.lines) - 1
            may_continue = is_last and not self.is_complete
            yield "\n" if line_index else ""
            if may_continue and self.fences.is_in_fence(line):
                yield from line  # character by character, as it may be truncated anywhere
            elif may_continue and may_become_fence(line):
                return
            elif not may_continue and self.fences.consume(line + ("" if is_last else "\n")):
                yield from line
            else:
                yield from self._convert_line(line, line_index, may_continue=may_continue)
            if self.is_undecided:
                return

    def _convert_line(self, text: str, line_index: int, *, may_continue: bool) -> Iterator[str]:
        if not text.strip():
            self.unpaired_lengths, self.is_table = set(), False
        self.is_table = self.is_table or _is_delimiter_row(text)
        line, index = Line.split(text, may_continue=may_continue), 0
        while index < len(line.pieces) and not self.is_undecided:
            if line.is_backtick_run(index):
                end = self._find_span_end(line, index, line_index)
                yield "".join(line.pieces[index:end])
            else:
                end = index + 1
                yield from self._convert_word(line, index)
            index = end

    def _find_span_end(self, line: Line, index: int, line_index: int) -> int:
        """Return the index after the code span that begins here; if it may not be code, after its opening backticks."""
        closer = line.closers[index]
        may_cross_cells = line.has_pipe_in_span(index) and self._may_be_table_row(line_index)
        self.is_undecided = (closer is None and line.may_continue) or may_cross_cells is None
        if self.is_undecided:
            return index
        if closer is not None and self._is_certainly_code(line, index, closer) and not may_cross_cells:
            return closer + 1
        self.unpaired_lengths |= line.possible_lengths(index)
        return index + 1

    def _is_certainly_code(self, line: Line, index: int, closer: int) -> bool:
        """Return whether every parser reads the span as code: no unpaired run before it can pair with a run in it."""
        if line.is_escaped(index) or line.is_escaped(closer):
            return False
        if not self.unpaired_lengths:
            return True
        return len(line.pieces[index]) not in self.unpaired_lengths and line.next_runs[index] == closer

    def _may_be_table_row(self, line_index: int) -> bool | None:
        """Return whether the line may be a table row; None if that depends on an unknown next line."""
        if self.is_table:
            return True
        next_line = self._get_next_line(line_index)
        return None if next_line is None else _is_delimiter_row(next_line)

    def _get_next_line(self, line_index: int) -> str | None:
        """Return the next line, empty after the last one; None if it is not known yet."""
        last = len(self.lines) - 1 if self.is_complete else len(self.lines) - 2
        if line_index < last:
            return self.lines[line_index + 1]
        return "" if self.is_complete else None

    def _convert_word(self, line: Line, index: int) -> Iterator[str]:
        word = line.pieces[index]
        start, end = _find_link(word)
        if line.may_continue and index == len(line.pieces) - 1:
            self.is_undecided = True
            yield word[: _find_stable_end(word)]
        elif start == end:
            yield word
        else:
            start = start if self.is_complete else max(start, _find_possible_link(word))
            before = " " if start == 0 and line.is_backtick_run(index - 1) else ""
            after = " " if end == len(word) and line.is_backtick_run(index + 1) else ""
            delimiter = self._choose_delimiter()
            yield word[:start]
            yield f"{before}{delimiter}{word[start:end]}{delimiter.strip()}{after}"
            yield word[end:]

    def _choose_delimiter(self) -> str:
        """Return a delimiter that pairs only with itself; if there is none, one that starts a new paragraph."""
        for delimiter in ("`", "``"):
            if len(delimiter) not in self.unpaired_lengths:
                return delimiter
        self.unpaired_lengths = set()
        return "\n\n`"


def _find_possible_link(word: str) -> int:
    """Return the index at which a link may begin in a word, or the length of the word."""
    match = _POSSIBLE_LINK_START.search(word)
    return match.start() if match else len(word)


def _find_stable_end(word: str) -> int:
    """Return the length of the beginning of an incomplete word that belongs to no link, however the word goes on."""
    end = _find_possible_link(word)
    for start in range(max(0, len(word) - len("https://")), end):
        is_first = start == 0 or not (word[start - 1].isascii() and word[start - 1].isalnum())
        if is_first and any(prefix.startswith(word[start:].lower()) for prefix in _LINK_PREFIXES):
            return start
    return end


def _find_link(word: str) -> tuple[int, int]:
    """Return the start and end of the link in a word, with backslashes before it and without trailing punctuation."""
    match = _LINK_MARKER.search(word)
    if match is None:
        return 0, 0
    before = word[: match.start()].rstrip(_CHARACTERS_BEFORE_MARKER.get(match[0], _URL_CHARACTERS)).rstrip("\\")
    return len(before), max(match.end(), _find_link_end(word, len(before)))


def _find_link_end(word: str, start: int) -> int:
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
