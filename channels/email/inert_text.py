"""Text in outgoing mail that no reply can turn into a verdict.

Mail programs wrap and quote what they reply to, so any word of a mail may begin a line of the reply. A verb and a code
side by side would then be a verdict. Within typographic quotation marks they are none (`channels.email.verdicts`).
"""

import re
from collections.abc import Sequence
from itertools import islice, pairwise

from agents.core.visible_text import escape_hidden_except_newlines
from channels.answer_words import find_code, find_verb

_WORD = re.compile(r"\S+")
_FIRST_LETTERS = re.compile(r"[\W_]*(?P<letters>[^\W_]+)")
_OUTER_MARKS = "".join(map(chr, {*range(0x21, 0x30), *range(0x3A, 0x41), *range(0x5B, 0x61), *range(0x7B, 0x7F)}))


def make_inert(text: str) -> str:
    """Return the text with hidden characters escaped, and with quotation marks around each verb with a code."""
    pieces, end = [], 0
    visible = escape_hidden_except_newlines(text)
    for verb, code in find_commands(visible):
        pieces += [visible[end : verb.start()], f"“{visible[verb.start() : code.end()]}”"]
        end = code.end()
    return "".join([*pieces, visible[end:]])


def make_lines_inert(sections: Sequence[Sequence[str]]) -> list[list[str]]:
    """Return sections of lines as inert text: the last word of a line and the first of the next make no command either.

    Line breaks within a line are escaped.
    """
    lines = [line.replace("\n", "\\n") for section in sections for line in section]
    inert_lines = iter(make_inert("\n".join(lines)).split("\n"))
    return [list(islice(inert_lines, len(section))) for section in sections]


def find_commands(text: str) -> list[tuple[re.Match[str], re.Match[str]]]:
    """Return each verb that is followed by a code, as the two words, with any punctuation around them.

    Words overlap in no two of them: a code is no verb.
    """
    words = list(_WORD.finditer(text))
    return [(word, following) for word, following in pairwise(words) if _is_command(word[0], following[0])]


def _is_command(word: str, following: str) -> bool:
    if find_verb(word.strip(_OUTER_MARKS)) is None:
        return False
    letters = _FIRST_LETTERS.match(following)
    return letters is not None and find_code(letters["letters"]) is not None
