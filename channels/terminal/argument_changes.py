"""Changes of arguments as people type them: one or more `name=value`, or one JSON object."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_JSON_STARTS = ('"', "{", "[")


@dataclass(frozen=True)
class ArgumentChanges:
    """Arguments to change. `values` are JSON values; `bare_words` are unquoted and get the type of the old value."""

    values: Mapping[str, Any] = field(default_factory=dict)
    bare_words: Mapping[str, str] = field(default_factory=dict)

    def apply_to(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments with the changes applied."""
        words = {name: _coerce_word(word, arguments.get(name)) for name, word in self.bare_words.items()}
        return {**arguments, **self.values, **words}


def parse_changes(text: str) -> ArgumentChanges | None:
    """Return the changes in a text, or None when it has none or contains anything else."""
    if text.startswith("{"):
        values = _parse_json(text)
        return ArgumentChanges(values=values) if isinstance(values, dict) else None
    values, bare_words = {}, {}
    rest = text.strip()
    while rest:
        name, equals, rest = rest.partition("=")
        if not (equals and name) or any(character.isspace() for character in name):
            return None
        if rest.startswith(_JSON_STARTS):
            try:
                values[name], end = json.JSONDecoder().raw_decode(rest)
            except (ValueError, RecursionError):
                return None
            if rest[end:] and not rest[end].isspace():
                return None
            rest = rest[end:].lstrip()
        else:
            bare_words[name], rest = _split_first_word(rest)
    return ArgumentChanges(values, bare_words) if values or bare_words else None


def _split_first_word(text: str) -> tuple[str, str]:
    """Return the text up to the first whitespace, and the rest."""
    word, *rest = text.split(maxsplit=1) if text[:1].strip() else ("", text.strip())
    return word, rest[0] if rest else ""


def _coerce_word(word: str, previous_value: Any) -> Any:
    """Return a bare word as text when it replaces text, else as JSON if it is valid JSON."""
    if isinstance(previous_value, str):
        return word
    value = _parse_json(word)
    return word if value is None and word != "null" else value


def _parse_json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
