"""Authentication-Results of a trusted mail server (RFC 8601), read with its comments and quoted strings.

A server copies parts of a mail into comments and quoted strings, so a search for `dmarc=pass` would find what the
sender wrote.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby

from channels.email.addresses import normalize_domain
from channels.email.header_fields import find_header_values

_MAX_HEADER_LENGTH = 16_384  # characters
_SEPARATORS = ";="
_QUOTED = '"'


def find_dmarc_pass(raw: bytes, authserv_id: str) -> str | None:
    """Return the domain of the From header for which the server reports that DMARC passed, else None.

    Only the topmost Authentication-Results counts, since a trusted server puts its own above all others, and only if
    it has this id.
    """
    values = find_header_values(raw, "Authentication-Results")
    if not values or len(values[0]) > _MAX_HEADER_LENGTH:
        return None
    try:
        server, *results = _split_results(list(_tokenize(values[0])))
        if not server or server[0].removeprefix(_QUOTED) != authserv_id.lower() or server[1:] not in ([], ["1"]):
            return None
        dmarc = [result for result in results if result[0] in ("dmarc", "dmarc/1")]
        return _passed_domain(dmarc[0]) if len(dmarc) == 1 else None
    except ValueError:
        return None


def _passed_domain(result: Sequence[str]) -> str | None:
    """Return the domain of `dmarc=pass … header.from=DOMAIN`. Raises ValueError for another form."""
    if list(result[1:3]) != ["=", "pass"]:
        return None
    properties = [result[index + 1 :] for index, word in enumerate(result) if word == "header.from"]
    if len(properties) != 1 or properties[0][:1] != ["="]:
        raise ValueError("no single header.from")
    return normalize_domain("".join(properties[0][1:2]).removeprefix(_QUOTED).rpartition("@")[2])


def _split_results(tokens: list[str]) -> list[list[str]]:
    """Return the tokens between the semicolons, which are empty in no result."""
    return [list(group) for is_end, group in groupby(tokens, ";".__eq__) if not is_end]


def _tokenize(text: str) -> Iterator[str]:
    """Yield words in lower case, `;`, `=`, and quoted strings with a mark in front, so that they equal no word.

    Raises ValueError for a comment or a quoted string without an end.
    """
    position = 0
    while position < len(text):
        character = text[position]
        if character == "(":
            position = _skip_comment(text, position)
        elif character == '"':
            position, quoted = _read_quoted(text, position)
            yield f"{_QUOTED}{quoted.lower()}"
        elif character in _SEPARATORS:
            position += 1
            yield character
        elif character.isspace():
            position += 1
        else:
            end = next((i for i in range(position, len(text)) if text[i] in '(";=' or text[i].isspace()), len(text))
            yield text[position:end].lower()
            position = end


def _skip_comment(text: str, start: int) -> int:
    """Return the position behind a comment, which may contain others (RFC 5322 §3.2.2)."""
    depth, position = 0, start
    while position < len(text):
        character = text[position]
        depth += {"(": 1, ")": -1}.get(character, 0)
        position += 2 if character == "\\" else 1
        if depth == 0:
            return position
    raise ValueError("a comment has no end")


def _read_quoted(text: str, start: int) -> tuple[int, str]:
    characters: list[str] = []
    position = start + 1
    while position < len(text):
        character = text[position]
        if character == '"':
            return position + 1, "".join(characters)
        if character == "\\":
            position += 1
            character = text[position : position + 1]
        characters.append(character)
        position += 1
    raise ValueError("a quoted string has no end")
