"""Answers in short messages: what a text decides, without knowing which requests exist. Pure functions.

An answer names the code of its request. `A7K2X OK` and `OK A7K2X` approve; `A7K2X NO` denies, also with a reason;
`A7K2X 2` chooses, `A7K2X tag=v1.4.1` edits, and `A7K2X text` answers a question. Several stand on lines of their own or
between commas. Words that carriers give a meaning, such as YES and STOP, are never a decision
(twilio.com/docs/messaging/tutorials/advanced-opt-out).
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from channels.answer_words import VERBS, drop_invisible, find_code

STOP_WORDS = frozenset({"stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout"})
START_WORDS = frozenset({"start", "yes", "unstop"})
HELP_WORDS = frozenset({"help", "info"})
_NEW_WORD = "new"

ShortVerb = Literal["approve", "deny"]
SHORT_VERBS: MappingProxyType[str, ShortVerb] = MappingProxyType(
    {word: verb for word, verb in VERBS.items() if verb in ("approve", "deny")}
    | dict.fromkeys(("ok", "okay", "oké"), "approve")
    | dict.fromkeys(("no", "nein", "non", "nee", "não"), "deny")
)
"""Verbs of short messages: those of mails, and the short words that need a code, or one open request, beside them."""

_QUOTES = "'\"‘’‚“”„«»"  # noqa: RUF001 - phones replace straight quotation marks with these
_GLUED = re.compile(r"(?P<code>[2-9a-hjkmnp-tv-z]{5})(?P<verb>ok|no)|(?P<verb2>ok|no)(?P<code2>[2-9a-hjkmnp-tv-z]{5})")
_SEPARATOR = re.compile(r"[\n\r]+|[,;]\s*")
_SEPARATORS = " \t\r\n,;"
_WORD_END = re.compile(r"[\s,;]")
_NUMBER = re.compile(r"#?[0-9]{1,3}[.)]?", re.ASCII)
_ASSIGNMENT = re.compile(r"[^\W\d]\w*=")
_PUNCTUATION = " .!:,;" + _QUOTES


@dataclass(frozen=True)
class CodeAnswer:
    """One answer: the code of its request, a verb or None, and what follows (a reason, choice, edit or text).

    `words` are all words but the code. An answer that is not `certain` is an ordinary message if no request has its
    code: any word of five letters looks like a code.
    """

    code: str
    verb: ShortVerb | None
    rest: str = ""
    words: str = ""
    is_certain: bool = True


@dataclass(frozen=True)
class ParsedText:
    """Meaning of a short message.

    `answers` name requests. A `bare` one has a verb or the number of a choice in `text`, but no code. The `text` of a
    new topic is without the word NEW.
    """

    kind: Literal["stop", "start", "help", "new", "answers", "bare", "message"]
    text: str = ""
    answers: tuple[CodeAnswer, ...] = ()
    verb: ShortVerb | None = None


def parse_text(text: str, opt_out: str = "") -> ParsedText:
    """Return the meaning of a message. `opt_out` is that of the provider: STOP, START, HELP or empty."""
    text = unicodedata.normalize("NFKC", drop_invisible(text)).strip()
    whole = text.casefold().strip(_PUNCTUATION)
    for kind, words in (("stop", STOP_WORDS), ("start", START_WORDS), ("help", HELP_WORDS)):
        if whole in words or opt_out.lower() == kind:
            return ParsedText(kind)  # type: ignore[arg-type]  # the kinds above are kinds
    if whole in SHORT_VERBS:
        return ParsedText("bare", verb=SHORT_VERBS[whole])
    if _NUMBER.fullmatch(whole):
        return ParsedText("bare", whole)
    first, _, rest = text.partition(" ")
    if first.casefold().rstrip(":") == _NEW_WORD and rest.strip():
        return ParsedText("new", rest.strip())
    answers = tuple(_parse_answers(text))
    return ParsedText("answers", text, answers) if answers else ParsedText("message", text)


def _parse_answers(text: str) -> Iterator[CodeAnswer]:
    """Yield the answers of a text; none if it does not begin with one."""
    start = 0
    for match in _SEPARATOR.finditer(text):
        answer, following = _parse_answer(text[start : match.start()]), _parse_answer(text[match.end() :])
        if answer is not None and following is not None and following.is_certain:
            yield answer
            start = match.end()
    if (last := _parse_answer(text[start:])) is not None:
        yield last


def _parse_answer(text: str) -> CodeAnswer | None:
    """Return the answer with which a text begins: a code, and a verb before or after it."""
    text = text.strip()
    text = text.strip(_QUOTES).strip() if text.startswith(tuple(_QUOTES)) else text
    first, rest = _next_word(text)
    if (glued := _GLUED.fullmatch(first.casefold())) is not None:
        code, verb = glued["code"] or glued["code2"], glued["verb"] or glued["verb2"]
        return CodeAnswer(code.upper(), SHORT_VERBS[verb], rest, f"{verb} {rest}".strip())
    second, after = _next_word(rest)
    if (verb_first := find_short_verb(first)) is not None and (code := find_code(second)) is not None:
        return CodeAnswer(code, verb_first, after, f"{first} {after}".strip(), is_certain=_is_typed_as_code(second))
    if (code := find_code(first)) is None:
        return None
    is_certain = _is_typed_as_code(first)
    if (verb_second := find_short_verb(second)) is not None:
        return CodeAnswer(code, verb_second, after, rest, is_certain=is_certain)
    is_short = not rest or _NUMBER.fullmatch(rest) is not None
    is_edit = _ASSIGNMENT.match(rest) is not None
    return CodeAnswer(code, None, rest, rest, is_certain=is_edit or (is_short and is_certain))


def _is_typed_as_code(word: str) -> bool:
    """Return whether a word looks like a code as it was typed: in capitals, or with a digit."""
    return word.isupper() or any(character.isdigit() for character in word)


def _next_word(text: str) -> tuple[str, str]:
    """Return the first word without marks around it, and the text after it."""
    word, *rest = _WORD_END.split(text.lstrip(_SEPARATORS), maxsplit=1)
    return word.strip(_PUNCTUATION), rest[0].strip(_SEPARATORS) if rest else ""


def find_short_verb(word: str) -> ShortVerb | None:
    """Return the verb that a word stands for, in any case."""
    return SHORT_VERBS.get(word.casefold())
