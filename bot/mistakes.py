"""The words in which mistakes of the configuration are put."""

import json
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError


def errors_at(messages: Mapping[str, str]) -> ValidationError:
    """Return the error by which a validator of a table refuses several of its keys, each with its own message."""
    found = [
        InitErrorDetails(type=PydanticCustomError(_OWN_WORDS, "{text}", {"text": message}), loc=(key,), input=None)
        for key, message in messages.items()
    ]
    return ValidationError.from_exception_data("table", found)


def wording(error: ErrorDetails) -> str:
    """What pydantic found wrong, in our words; with the value when pydantic was asked for it and it is short."""
    if error["type"] == _OWN_WORDS:
        return error["msg"]
    if error["type"] == "value_error":
        return str(error["ctx"]["error"])
    return _broken_rule(error["type"], error["msg"], error.get("ctx", {})) + _found(error)


def no_such(kind: str, name: str, known: Collection[str]) -> str:
    """Says that a name means nothing, and which one may have been meant."""
    return f"there is no {kind} {quoted(name)}; {suggestion(name, known)}"


def nearest(name: str, known: Collection[str]) -> str | None:
    """The known name this one was probably meant to be."""
    return next(iter(get_close_matches(name, known, n=1)), None)


def suggestion(name: str, known: Collection[str]) -> str:
    """The known name closest to this one, or all of them."""
    close = nearest(name, known)
    if close is not None:
        return f"did you mean {quoted(close)}?"
    return f"there is {listed(known)}" if known else "there are none"


def listed(names: Collection[str]) -> str:
    """Names in quotes and in order, at most twenty."""
    shown = [quoted(name) for name in sorted(names)[:_MOST_NAMES]]
    return ", ".join(shown) + (", …" if len(names) > len(shown) else "")


def quoted(text: str) -> str:
    """Text of a person as one short, printable line in quotes."""
    return json.dumps(_cut(text), ensure_ascii=not text.isprintable())


def written_value(value: Any) -> str:
    """Return a text, number, true or false as it is written in the file; nothing for a value of another kind."""
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, float) or (isinstance(value, int) and abs(value) < _TOO_LONG_TO_SHOW):
        return json.dumps(value)
    return ""


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}…"


_OWN_WORDS = "own_words"
_MOST_NAMES = 20
_LONGEST_TEXT = 60
_RULES = {
    "missing": "is missing",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "greater_than": "must be more than {gt}",
    "literal_error": "must be {expected}",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "string_type": "must be text in quotes",
    "tuple_type": "must be a list in [ ]",
    "dict_type": "must be a table",
    "model_type": "must be a table",
}
_TOO_LONG_TO_SHOW = 10**20  # also keeps us clear of Python's limit for turning an int into text


def _broken_rule(kind: str, told: str, limits: Mapping[str, Any]) -> str:
    ours = _RULES.get(kind)
    if ours is None:
        return told.replace("Input should be", "must be")
    return ours.format_map(limits).replace("'", '"')


def _found(error: ErrorDetails) -> str:
    written = written_value(error.get("input"))
    return f" (found {written})" if written else ""
