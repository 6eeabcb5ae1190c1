"""What a person wrote into a field, as a value of the tool's argument.

It is checked as far as they can be told at once; whether the arguments fit the tool is asked again where they are
recorded.
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
    """What is wrong with an entry, for the person who made it."""

    message: str


def parse_value(form_field: FormField, entry: str | None) -> Any:
    """The value of an entry; None for an empty one, Mistaken for one that makes no sense."""
    if entry is None:
        return None if form_field.is_optional else FieldError("Fill this in.")
    match form_field.kind:
        case "text":
            return _parse_text(entry, form_field.limits)
        case "whole":
            return _parse_integer(entry, form_field.limits)
        case "decimal":
            return _parse_number(entry, form_field.limits)
        case "choice":
            known = INTEGER_PATTERN.fullmatch(entry) and 0 <= int(entry) < len(form_field.options)
            return form_field.options[int(entry)] if known else FieldError("Choose from the list.")


def _parse_text(entry: str, limits: Mapping[str, Any]) -> str | FieldError:
    shortest, longest = limits.get("minLength"), limits.get("maxLength")
    if isinstance(shortest, int) and len(entry) < shortest:
        return FieldError(f"Write at least {shortest} characters.")
    if isinstance(longest, int) and len(entry) > longest:
        return FieldError(f"Write at most {longest} characters.")
    return entry


def _parse_integer(entry: str, limits: Mapping[str, Any]) -> Any:
    """5.0 is the same number as 5."""
    if not DECIMAL_PATTERN.fullmatch(entry) or not float(entry).is_integer():
        return FieldError("Write a whole number.")
    return _check_bounds(int(entry) if INTEGER_PATTERN.fullmatch(entry) else int(float(entry)), limits)


def _parse_number(entry: str, limits: Mapping[str, Any]) -> Any:
    """A whole number stays one, so that it is shown as it was written."""
    if INTEGER_PATTERN.fullmatch(entry):
        return _check_bounds(int(entry), limits)
    if not DECIMAL_PATTERN.fullmatch(entry) or not math.isfinite(float(entry)):
        return FieldError("Write a number.")
    return _check_bounds(float(entry), limits)


def _check_bounds(number: float, limits: Mapping[str, Any]) -> Any:
    for name, told, holds in _BOUNDS:
        limit = limits.get(name)
        if isinstance(limit, int | float) and not holds(number, limit):
            return FieldError(f"Write a number that is {told} {limit}.")
    return number
