"""Links in Markdown of others, written as code: they can be read and copied, and nothing leads anywhere.

Slack makes a link of every URL in a `markdown` block but those in code, and has no setting against it. Its parser is
not documented, so a code span of the text counts as code only where all readings of CommonMark 0.31 agree: in one line,
with no loose backtick before it in its paragraph, and in one cell of a table.
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
"""What makes a word a link: a scheme, `www.`, a mail address, a host with a path. Each begins with a literal."""

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+.-"
_BEFORE = {"@": _LETTERS + "_%"}
_HEADS = ("http://", "https://", "ftp://", "www.", "mailto:", "tel:")
_SUSPECT = re.compile(
    r"(?<![a-z0-9])(?:https?://|ftp://|www\.|mailto:|tel:)|[:@\\]|\.(?![0-9])", re.ASCII | re.IGNORECASE
)
"""From where on a word is not shown before it has ended."""

_BEHIND = "?!.,:;*_~'\"\\"
MAX_GROWTH = 2
"""No text gets longer than by this factor: each link is of five characters or more, and gets at most eight."""


def put_links_in_code(markdown: str) -> str:
    """Return the text with each link in a code span."""
    return "".join(_Text(markdown.split("\n")).pieces())


def put_links_of_beginning_in_code(markdown: str, longest: int) -> str:
    """Return as much of it as fits and no continuation can change; an unusual link may be code from its middle on."""
    kept, room = list[str](), longest
    for piece in _Text(markdown.split("\n"), is_whole=False).pieces():
        if len(piece) > room:
            kept.append("" if "`" in piece else piece[:room])
            break
        kept.append(piece)
        room -= len(piece)
    return "".join(kept)


@dataclass
class _Text:
    """One pass over the lines. `loose` has the lengths of runs of backticks in this paragraph that may pair anyhow."""

    lines: list[str]
    is_whole: bool = True
    fences: Fences = field(default_factory=Fences)
    loose: set[int] = field(default_factory=set)
    is_table: bool = False
    is_undecided: bool = False

    def pieces(self) -> Iterator[str]:
        for number, line in enumerate(self.lines):
            is_last = number == len(self.lines) - 1
            is_open = is_last and not self.is_whole
            yield "\n" if number else ""
            if is_open and self.fences.is_open(line):
                yield from line  # may be cut anywhere
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
            self.loose, self.is_table = set(), False
        self.is_table = self.is_table or _is_ruler(text)
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
        """Return where the code span that begins here ends; behind its first run if it may not count as one."""
        closer = line.closers[at]
        self.is_undecided = (closer is None and line.is_open) or (line.has_cells(at) and self._is_row(number) is None)
        if self.is_undecided:
            return at
        if closer is not None and self._counts(line, at, closer) and not (line.has_cells(at) and self._is_row(number)):
            return closer + 1
        self.loose |= line.lengths(at)
        return at + 1

    def _counts(self, line: Line, at: int, closer: int) -> bool:
        """Return whether no loose run may begin or end in this span, or take its ends."""
        if line.is_escaped(at) or line.is_escaped(closer):
            return False
        return not self.loose or (len(line.pieces[at]) not in self.loose and line.next_runs[at] == closer)

    def _is_row(self, number: int) -> bool | None:
        """Return whether the line may be a row of a table; None where the next line would tell and is not known."""
        if self.is_table:
            return True
        following = self._following(number)
        return None if following is None else _is_ruler(following)

    def _following(self, number: int) -> str | None:
        """Return the next line, empty behind the last one; None where it is not known yet."""
        last = len(self.lines) - 1 if self.is_whole else len(self.lines) - 2
        if number < last:
            return self.lines[number + 1]
        return "" if self.is_whole else None

    def _word(self, line: Line, at: int) -> Iterator[str]:
        word = line.pieces[at]
        start, end = _link_in(word)
        if line.is_open and at == len(line.pieces) - 1:
            self.is_undecided = True
            yield word[: _end_of_known(word)]
        elif start == end:
            yield word
        else:
            start = start if self.is_whole else max(start, _first_suspect(word))
            before = " " if start == 0 and line.is_run(at - 1) else ""
            behind = " " if end == len(word) and line.is_run(at + 1) else ""
            mark = self._mark()
            yield word[:start]
            yield f"{before}{mark}{word[start:end]}{mark.strip()}{behind}"
            yield word[end:]

    def _mark(self) -> str:
        """Return backticks that pair with each other alone; where there are none, in a paragraph of their own."""
        for mark in ("`", "``"):
            if len(mark) not in self.loose:
                return mark
        self.loose = set()
        return "\n\n`"


def _first_suspect(word: str) -> int:
    found = _SUSPECT.search(word)
    return found.start() if found else len(word)


def _end_of_known(word: str) -> int:
    """Return how much of a word can be shown before its end is known: no link begins in there."""
    end = _first_suspect(word)
    for start in range(max(0, len(word) - len("https://")), end):
        is_first = start == 0 or not (word[start - 1].isascii() and word[start - 1].isalnum())
        if is_first and any(head.startswith(word[start:].lower()) for head in _HEADS):
            return start
    return end


def _link_in(word: str) -> tuple[int, int]:
    """Return where the link of a word begins and ends: without what stands behind it, with backslashes before it."""
    found = _LINK.search(word)
    if found is None:
        return 0, 0
    before = word[: found.start()].rstrip(_BEFORE.get(found[0], _LETTERS)).rstrip("\\")
    return len(before), max(found.end(), _end_of_link(word, len(before)))


def _end_of_link(word: str, start: int) -> int:
    """Return the end of a link without punctuation, and without brackets that it does not open itself (as in GFM)."""
    link = word[start:]
    end, closing = len(word), {")": link.count(")") - link.count("("), "]": link.count("]") - link.count("[")}
    while end > start:
        last = word[end - 1]
        if closing.get(last, 0) > 0:
            closing[last] -= 1
        elif last not in _BEHIND:
            break
        end -= 1
    return end


def _is_ruler(line: str) -> bool:
    """Return whether the line may be what makes a table of the one above it."""
    return "-" in line and not line.strip(" \t|:-")
