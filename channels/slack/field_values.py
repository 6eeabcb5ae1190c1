"""Parsing of modal entries into values of tool arguments.

The checks here let the modal show errors beside its fields. The arguments are validated against the tool's schema again
when the answer is recorded.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from operator import ge, gt, le, lt
from typing import Any

from channels.slack.form_fields import DECIMAL_PATTERN, INTEGER_PATTERN, FormField

_BOUNDS = (
    ("minimum", "at least", ge),
    ("maximum", "at most", le),
    ("exclusiveMinimum", "more than", gt),
    ("exclusiveMaximum", "less than", lt),
)


@dataclass(frozen=True)
class FieldError:
    """Error message about an entry, for the person who made it."""

    message: str


def parse_value(form_field: FormField, entry: str | None) -> Any:
    """Return the value of an entry, None for an empty optional one, or a FieldError."""
    if entry is None:
        return None if form_field.is_optional else FieldError("Fill this in.")
    match form_field.kind:
        case "text":
            return _parse_text(entry, form_field.limits)
        case "integer":
            return _parse_integer(entry, form_field.limits)
        case "number":
            return _parse_number(entry, form_field.limits)
        case "choice":
            is_known = INTEGER_PATTERN.fullmatch(entry) and 0 <= int(entry) < len(form_field.options)
            return form_field.options[int(entry)] if is_known else FieldError("Choose from the list.")


def _parse_text(entry: str, limits: Mapping[str, Any]) -> str | FieldError:
    min_length, max_length = limits.get("minLength"), limits.get("maxLength")
    if isinstance(min_length, int) and len(entry) < min_length:
        return FieldError(f"Write at least {min_length} characters.")
    if isinstance(max_length, int) and len(entry) > max_length:
        return FieldError(f"Write at most {max_length} characters.")
    return entry


def _parse_integer(entry: str, limits: Mapping[str, Any]) -> Any:
    """Parse an integer; 5.0 is accepted as 5, as in JSON Schema."""
    if not DECIMAL_PATTERN.fullmatch(entry) or not float(entry).is_integer():
        return FieldError("Write a whole number.")
    return _check_bounds(int(entry) if INTEGER_PATTERN.fullmatch(entry) else int(float(entry)), limits)


def _parse_number(entry: str, limits: Mapping[str, Any]) -> Any:
    """Parse a number; an integer stays an int, so that it is displayed as it was written."""
    if INTEGER_PATTERN.fullmatch(entry):
        return _check_bounds(int(entry), limits)
    if not DECIMAL_PATTERN.fullmatch(entry) or not math.isfinite(float(entry)):
        return FieldError("Write a number.")
    return _check_bounds(float(entry), limits)


def _check_bounds(number: float, limits: Mapping[str, Any]) -> Any:
    for name, wording, is_within in _BOUNDS:
        limit = limits.get(name)
        if isinstance(limit, int | float) and not is_within(number, limit):
            return FieldError(f"Write a number that is {wording} {limit}.")
    return number
