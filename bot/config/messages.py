"""Messages about mistakes in the configuration."""

import json
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from agents.core.visible_text import truncate


def validation_error_at(messages: Mapping[str, str]) -> ValidationError:
    """Return an error for several keys of a table, each with its own message, for a validator to raise."""
    details = [
        InitErrorDetails(
            type=PydanticCustomError(_CUSTOM_ERROR_TYPE, "{text}", {"text": message}), loc=(key,), input=None
        )
        for key, message in messages.items()
    ]
    return ValidationError.from_exception_data("table", details)


def describe_error(error: ErrorDetails) -> str:
    """Describe a pydantic error in plain words.

    If pydantic was asked for the value and it is a text, number, true or false, it is included, shortened.
    """
    if error["type"] == _CUSTOM_ERROR_TYPE:
        return error["msg"]
    if error["type"] == "value_error":
        return str(error["ctx"]["error"])
    return _describe_broken_rule(error["type"], error["msg"], error.get("ctx", {})) + _describe_input(error)


def describe_unknown_name(kind: str, name: str, known: Collection[str]) -> str:
    """Return a message that the name is unknown, with the closest known name."""
    return f"there is no {kind} {quote(name)}; {suggest_name(name, known)}"


def closest_name(name: str, known: Collection[str]) -> str | None:
    """Return the most similar known name; None if there is no similar one."""
    return next(iter(get_close_matches(name, known, n=1)), None)


def suggest_name(name: str, known: Collection[str]) -> str:
    """Return a hint with the most similar known name, or with all of them."""
    closest = closest_name(name, known)
    if closest is not None:
        return f"did you mean {quote(closest)}?"
    return f"there is {join_names(known)}" if known else "there are none"


def join_names(names: Collection[str]) -> str:
    """Return the names quoted, sorted and joined by commas, at most twenty."""
    shown = [quote(name) for name in sorted(names)[:_MAX_NAMES]]
    return ", ".join(shown) + (", …" if len(names) > len(shown) else "")


def quote(text: str) -> str:
    """Return text from outside as one short, printable line in quotes."""
    return json.dumps(truncate(text, _MAX_TEXT_LENGTH), ensure_ascii=not text.isprintable())


def format_value(value: Any) -> str:
    """Return a text, number, true or false as it is written in TOML; a long text is shortened.

    Return an empty text for a huge integer or a value of another type.
    """
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, float) or (isinstance(value, int) and abs(value) < _MIN_HIDDEN_NUMBER):
        return json.dumps(value)
    return ""


_CUSTOM_ERROR_TYPE = "custom_message"
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
_MIN_HIDDEN_NUMBER = 10**20  # also stays below Python's limit for converting an int to text


def _describe_broken_rule(error_type: str, message: str, limits: Mapping[str, Any]) -> str:
    template = _RULE_MESSAGES.get(error_type)
    if template is None:
        return message.replace("Input should be", "must be")
    return template.format_map(limits).replace("'", '"')


def _describe_input(error: ErrorDetails) -> str:
    value = format_value(error.get("input"))
    return f" (found {value})" if value else ""
