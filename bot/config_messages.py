"""The words in which mistakes of the configuration are put."""

import json
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError


def validation_error_at(messages: Mapping[str, str]) -> ValidationError:
    """Return the error by which a validator of a table refuses several of its keys, each with its own message."""
    found = [
        InitErrorDetails(
            type=PydanticCustomError(_CUSTOM_ERROR_TYPE, "{text}", {"text": message}), loc=(key,), input=None
        )
        for key, message in messages.items()
    ]
    return ValidationError.from_exception_data("table", found)


def describe_error(error: ErrorDetails) -> str:
    """What pydantic found wrong, in our words; with the value when pydantic was asked for it and it is short."""
    if error["type"] == _CUSTOM_ERROR_TYPE:
        return error["msg"]
    if error["type"] == "value_error":
        return str(error["ctx"]["error"])
    return _describe_broken_rule(error["type"], error["msg"], error.get("ctx", {})) + _describe_input(error)


def describe_unknown_name(kind: str, name: str, known: Collection[str]) -> str:
    """Says that a name means nothing, and which one may have been meant."""
    return f"there is no {kind} {quote(name)}; {suggest_name(name, known)}"


def closest_name(name: str, known: Collection[str]) -> str | None:
    """The known name this one was probably meant to be."""
    return next(iter(get_close_matches(name, known, n=1)), None)


def suggest_name(name: str, known: Collection[str]) -> str:
    """The known name closest to this one, or all of them."""
    close = closest_name(name, known)
    if close is not None:
        return f"did you mean {quote(close)}?"
    return f"there is {join_names(known)}" if known else "there are none"


def join_names(names: Collection[str]) -> str:
    """Names in quotes and in order, at most twenty."""
    shown = [quote(name) for name in sorted(names)[:_MAX_NAMES]]
    return ", ".join(shown) + (", …" if len(names) > len(shown) else "")


def quote(text: str) -> str:
    """Text of a person as one short, printable line in quotes."""
    return json.dumps(_truncate(text), ensure_ascii=not text.isprintable())


def format_value(value: Any) -> str:
    """Return a text, number, true or false as it is written in the file; nothing for a value of another kind."""
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, float) or (isinstance(value, int) and abs(value) < _MIN_HIDDEN_NUMBER):
        return json.dumps(value)
    return ""


def _truncate(text: str) -> str:
    return text if len(text) <= _MAX_TEXT_LENGTH else f"{text[:_MAX_TEXT_LENGTH]}…"


_CUSTOM_ERROR_TYPE = "own_words"
_MAX_NAMES = 20
_MAX_TEXT_LENGTH = 60
_RULE_MESSAGES = {
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
_MIN_HIDDEN_NUMBER = 10**20  # also keeps us clear of Python's limit for turning an int into text


def _describe_broken_rule(error_type: str, message: str, limits: Mapping[str, Any]) -> str:
    ours = _RULE_MESSAGES.get(error_type)
    if ours is None:
        return message.replace("Input should be", "must be")
    return ours.format_map(limits).replace("'", '"')


def _describe_input(error: ErrorDetails) -> str:
    written = format_value(error.get("input"))
    return f" (found {written})" if written else ""
