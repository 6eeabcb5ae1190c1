"""Words with which people answer requests in text: verbs, codes, choices and named arguments.

Each channel has its own rules for the place of these words. Short words such as `ok`, `yes` and `no` are no verbs,
since people write them in ordinary messages.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from itertools import takewhile
from types import MappingProxyType
from typing import Literal

Verb = Literal["approve", "deny", "edit", "answer"]

_WORDS: Mapping[Verb, str] = {
    "approve": """
        approve approved
        genehmigen genehmige genehmigt freigeben freigegeben
        approuver approuve approuvé approuvée
        aprobar apruebo aprobado aprobada
        approvare approvo approvato approvata
        aprovar aprovo aprovado aprovada
        goedkeuren goedgekeurd
    """,
    "deny": """
        deny denied reject rejected decline declined
        ablehnen abgelehnt verweigern verweigert
        refuser refuse refusé refusée rejeter rejeté rejetée
        denegar denegado denegada rechazar rechazo rechazado rechazada
        negare negato negata rifiutare rifiuto rifiutato rifiutata respingere respinto respinta
        negar negado negada recusar recusado recusada rejeitar rejeitado rejeitada
        afkeuren afgekeurd afwijzen afgewezen weigeren geweigerd
    """,
    "edit": """
        edit
        ändern bearbeiten
        modifier
        editar modificar
        modificare
        alterar
        bewerken wijzigen
    """,
    "answer": """
        answer
        antwort antworten
        répondre réponse
        responder respuesta
        rispondere risposta
        resposta
        antwoord antwoorden beantwoorden
    """,
}
"""Verbs in English, German, French, Spanish, Italian, Portuguese and Dutch, one line for each language."""

VERBS: Mapping[str, Verb] = MappingProxyType(
    {unicodedata.normalize("NFKC", word).casefold(): verb for verb, words in _WORDS.items() for word in words.split()}
)
"""Verbs by their words. The words are case-folded; accents count."""

CODE = re.compile(r"[2-9A-HJKMNP-TV-Z]{5}", re.ASCII | re.IGNORECASE)
"""Code of a request in upper or lower case: five letters and digits, without those that look alike (0, 1, I, L, O)
and U."""

_INVISIBLE_MARKS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")
"""Characters that take no space although they are marks or letters in Unicode."""
_FIRST_VARIATION_SELECTOR, _LAST_VARIATION_SELECTOR = "\ufe00", "\ufe0f"
_CHOICE_NUMBER = re.compile(r"#?([0-9]{1,3})[.)]?", re.ASCII)
_NAME = re.compile(r"[^\W\d]\w*")
_QUOTES = MappingProxyType({'"': '"', "'": "'", "“": "”", "„": "“”", "«": "»", "”": "”"})
"""Closing quotation marks by the opening one. Mail programs replace straight marks with typographic ones."""


def drop_invisible(text: str) -> str:
    """Return the text without characters that take no space, such as zero-width spaces and marks of direction."""
    if text.isascii():
        return text
    return "".join(character for character in text if not _is_invisible(character))


def _is_invisible(character: str) -> bool:
    return (
        unicodedata.category(character) == "Cf"
        or character in _INVISIBLE_MARKS
        or _FIRST_VARIATION_SELECTOR <= character <= _LAST_VARIATION_SELECTOR
    )


def find_verb(word: str) -> Verb | None:
    """Return the verb that a word stands for, in any case and any width of its letters."""
    return VERBS.get(unicodedata.normalize("NFKC", drop_invisible(word)).casefold())


def find_code(word: str) -> str | None:
    """Return the code in upper case if the word has the form of one. Whether a request has it is another question."""
    code = unicodedata.normalize("NFKC", drop_invisible(word))
    return code.upper() if CODE.fullmatch(code) else None


def match_choice(text: str, choices: Sequence[str]) -> str | None:
    """Return the choice that the first paragraph of a text names by its number, from 1, or by its whole text.

    Case and spaces do not matter. The result is None for another text, and if the number is also the text of another
    choice.
    """
    lines = (line.strip() for line in text.strip().splitlines())
    answer = " ".join(takewhile(bool, lines))
    by_text = next((choice for choice in choices if _fold(choice) == _fold(answer)), None)
    number = _CHOICE_NUMBER.fullmatch(unicodedata.normalize("NFKC", answer))
    is_numbered = number is not None and 1 <= int(number[1]) <= len(choices)
    by_number = choices[int(number[1]) - 1] if number is not None and is_numbered else None
    if by_text is not None and by_number is not None and by_text != by_number:
        return None
    return by_number if by_text is None else by_text


def _fold(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", drop_invisible(text)).casefold().split())


def parse_assignments(text: str) -> dict[str, str]:
    """Return the values of `name=value …` by name. A value with spaces stands in quotation marks, straight or not.

    Raises ValueError, with a reason for the person who wrote it, for anything else between the assignments, for a name
    that is given twice, and without an assignment.
    """
    values: dict[str, str] = {}
    rest = text.strip()
    while rest:
        name, equals, rest = rest.partition("=")
        if not equals or not _NAME.fullmatch(name):
            raise ValueError(f"write name=value instead of {_excerpt(name)}")
        if name in values:
            raise ValueError(f"{name} is given twice")
        values[name], rest = _split_value(name, rest)
    if not values:
        raise ValueError("write name=value after the code")
    return values


def _split_value(name: str, text: str) -> tuple[str, str]:
    """Return the value at the beginning of a text, and the text after it and the spaces that follow."""
    closing = _QUOTES.get(text[:1])
    if closing is None:
        value, *rest = text.split(maxsplit=1) if text and not text[0].isspace() else ("", text.lstrip())
        return value, rest[0] if rest else ""
    end = next((index for index in range(1, len(text)) if text[index] in closing), None)
    if end is None:
        raise ValueError(f"the value of {name} has no closing quotation mark")
    after = text[end + 1 :]
    if after and not after[0].isspace():
        raise ValueError(f"leave a space after the value of {name}")
    return text[1:end], after.lstrip()


def _excerpt(text: str) -> str:
    words = text.split()
    return words[0][:40] if words else "="
