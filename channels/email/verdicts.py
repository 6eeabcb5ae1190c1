"""Verdicts in the reply to an approval mail: each one on a line of its own, as `APPROVE CODE` and a comment.

A line counts only if it begins with a verb and the code of a request. Anything in front of them, a quotation mark, a
`>` or another word, makes it an ordinary line. A mail that contradicts itself about a request has no verdict on it.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Literal

from channels.answer_words import Verb, drop_invisible, find_code, find_verb

MAX_COMMENT_LENGTH = 1_000  # characters

_EMPHASIS = "*_~`"
_FIRST_WORDS = re.compile(r"(?P<verb>\S+)\s+(?P<code>\S+)(?P<rest>.*)", re.DOTALL)
_ASSIGNMENT = re.compile(r"[^\W\d]\w*=")
_SIGNATURE_SEPARATOR = "--"  # RFC 3676 §4.3 has a space behind it, which programs remove
_CLOSING_PUNCTUATION = ".,;:!"
_COMMENT_SEPARATORS = " \t.,;:!-\N{EN DASH}\N{EM DASH}"


@dataclass(frozen=True)
class Verdict:
    """Verdict on one request. `code` is in upper case.

    `rest` is the comment of an approval or a denial, the text of an answer, or the assignments of an edit. A code that
    `is_typed_as_code` was written in capitals or has a digit; any other word of five letters may be just a word.
    """

    verb: Verb
    code: str
    rest: str
    is_typed_as_code: bool = True


@dataclass(frozen=True)
class Problem:
    """Reason why a line, counted from 1, has no verdict that counts. `code` is empty if the line has none.

    `no_code`: the line is only a verb. `conflict`: the mail has different verdicts on this request. `repeated_other`:
    it has different answers or edits. `two_on_a_line`: the line has two verdicts.
    """

    kind: Literal["no_code", "conflict", "repeated_other", "two_on_a_line"]
    line_number: int
    code: str = ""


@dataclass(frozen=True)
class ParsedReply:
    """The verdicts of a mail, at most one for each code, and the problems of its lines, both in their order."""

    verdicts: tuple[Verdict, ...] = ()
    problems: tuple[Problem, ...] = ()


def parse_verdicts(lines: Sequence[str]) -> ParsedReply:
    """Return the verdicts in the lines above the first sign of a quote. Lines behind a signature separator are ignored.

    A verb without a code contradicts verdicts in the other direction: `APPROVE K7P2Q` and `DENY` decide nothing.
    """
    reading = _Reading()
    for number, line in enumerate(lines, 1):
        if line.rstrip() == _SIGNATURE_SEPARATOR:
            break
        reading.add_line(number, line)
    return reading.to_reply()


@dataclass
class _Found:
    """A verdict of a line, and the lines that follow it."""

    verdict: Verdict
    line_number: int
    lines: list[str] = field(default_factory=list)

    def complete(self) -> Verdict:
        """Return the verdict with its following lines: of an edit those that continue it, else all of them."""
        if self.verdict.verb == "edit":
            return replace(self.verdict, rest=_join_assignments(self.verdict.rest, self.lines))
        text = "\n".join([self.verdict.rest, *self.lines]).strip()
        return replace(self.verdict, rest=text if self.verdict.verb == "answer" else text[:MAX_COMMENT_LENGTH])


@dataclass
class _Reading:
    found: list[_Found] = field(default_factory=list)
    bare_verbs: set[Verb] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)
    rejected_codes: set[str] = field(default_factory=set)

    def add_line(self, number: int, line: str) -> None:
        verdict = parse_line(line)
        if verdict is None:
            self._add_ordinary_line(number, line)
            return
        self.found.append(_Found(verdict, number))
        if codes := list(_verdict_codes(verdict.rest, verdict.code)):
            self.rejected_codes.update(codes, (verdict.code,))
            self.problems.append(Problem("two_on_a_line", number, verdict.code))

    def _add_ordinary_line(self, number: int, line: str) -> None:
        verb = _bare_verb(line)
        if verb is not None:
            self.bare_verbs.add(verb)
            self.problems.append(Problem("no_code", number))
        elif self.found:
            self.found[-1].lines.append(line.strip())

    def to_reply(self) -> ParsedReply:
        by_code: dict[str, list[_Found]] = {}
        for found in self.found:
            by_code.setdefault(found.verdict.code, []).append(found)
        verdicts, problems = [], list(self.problems)
        for code, group in by_code.items():
            if code in self.rejected_codes:
                continue
            if problem := self._find_contradiction(code, group):
                problems.append(problem)
            else:
                verdicts.append(group[0].complete())
        return ParsedReply(tuple(verdicts), tuple(sorted(problems, key=lambda problem: problem.line_number)))

    def _find_contradiction(self, code: str, group: Sequence[_Found]) -> Problem | None:
        first, *others = group
        for other in others:
            if other.verdict.verb != first.verdict.verb:
                return Problem("conflict", other.line_number, code)
            if first.verdict.verb in ("edit", "answer") and other.complete().rest != first.complete().rest:
                return Problem("repeated_other", other.line_number, code)
        if any(_contradict(bare, first.verdict.verb) for bare in self.bare_verbs):
            return Problem("conflict", first.line_number, code)
        return None


def _contradict(bare_verb: Verb, verb: Verb) -> bool:
    return verb != "answer" and (bare_verb == "deny") != (verb == "deny")


def parse_line(line: str) -> Verdict | None:
    """Return the verdict of a line that begins with a verb and a code, both with or without emphasis, else None.

    A question mark behind the code makes the line a question.
    """
    text = _strip_line_emphasis(drop_invisible(line).strip())
    words = _FIRST_WORDS.fullmatch(text)
    if words is None:
        return None
    verb = find_verb(words["verb"].strip(_EMPHASIS))
    code = find_code(words["code"].strip(_EMPHASIS).rstrip(_CLOSING_PUNCTUATION).strip(_EMPHASIS))
    rest = words["rest"].strip()
    if verb is None or code is None or rest.startswith(("?", "\N{FULLWIDTH QUESTION MARK}")):
        return None
    is_typed_as_code = words["code"].isupper() or any(character.isdigit() for character in code)
    return Verdict(verb, code, rest if verb == "edit" else rest.lstrip(_COMMENT_SEPARATORS), is_typed_as_code)


def _strip_line_emphasis(text: str) -> str:
    """Return the line without emphasis marks around all of it. Marks around its first word belong to that word."""
    inner = text.lstrip(_EMPHASIS)
    marks = text[: len(text) - len(inner)]
    first_word = inner.split(maxsplit=1)[0] if inner else ""
    if marks and first_word.endswith(marks[::-1]):
        return inner
    return inner.removesuffix(marks[::-1]).strip()


def _bare_verb(line: str) -> Verb | None:
    """Return the verb if the line is only `APPROVE` or `DENY`, with or without punctuation."""
    word = drop_invisible(line).strip().strip(_EMPHASIS).strip().rstrip(_CLOSING_PUNCTUATION).strip(_EMPHASIS)
    verb = find_verb(word)
    return verb if verb in ("approve", "deny") else None


def _verdict_codes(rest: str, own_code: str) -> Iterator[str]:
    """Yield the codes of further verdicts on a line. Words in lower case look like codes only if they are the own one.

    Otherwise `DENY K7P2Q, I cannot approve tests` would have two verdicts.
    """
    words = [word.strip(_EMPHASIS + _COMMENT_SEPARATORS) for word in drop_invisible(rest).split()]
    for verb, word in pairwise(words):
        code = find_code(word)
        if code is not None and find_verb(verb) is not None and (code == own_code or word == word.upper()):
            yield code


def _join_assignments(rest: str, lines: Sequence[str]) -> str:
    """Return the assignments of an edit that a mail program wrapped.

    A line continues them if it begins with a name and `=`, or if a quotation mark is open.
    """
    for line in lines:
        if not line or not (_ASSIGNMENT.match(line) or _has_open_quote(rest)):
            break
        rest = f"{rest} {line}"
    return rest.strip()


def _has_open_quote(text: str) -> bool:
    return text.count('"') % 2 == 1 or text.count("“") + text.count("„") > text.count("”")
