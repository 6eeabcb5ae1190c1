"""What a person wrote into a field, as a value of the tool's argument.

It is checked as far as they can be told at once; whether the arguments fit the tool is asked again where they are
recorded.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from operator import ge, gt, le, lt
from typing import Any

from channels.slack.blanks import DECIMAL, WHOLE, Blank

_BOUNDS = (
    ("minimum", "at least", ge),
    ("maximum", "at most", le),
    ("exclusiveMinimum", "more than", gt),
    ("exclusiveMaximum", "less than", lt),
)


@dataclass(frozen=True)
class Mistaken:
    """What is wrong with an entry, for the person who made it."""

    told: str


def read(blank: Blank, entry: str | None) -> Any:
    """The value of an entry; None for an empty one, Mistaken for one that makes no sense."""
    if entry is None:
        return None if blank.optional else Mistaken("Fill this in.")
    match blank.kind:
        case "text":
            return _text(entry, blank.limits)
        case "whole":
            return _whole(entry, blank.limits)
        case "decimal":
            return _number(entry, blank.limits)
        case "choice":
            known = WHOLE.fullmatch(entry) and 0 <= int(entry) < len(blank.options)
            return blank.options[int(entry)] if known else Mistaken("Choose from the list.")


def _text(entry: str, limits: Mapping[str, Any]) -> str | Mistaken:
    shortest, longest = limits.get("minLength"), limits.get("maxLength")
    if isinstance(shortest, int) and len(entry) < shortest:
        return Mistaken(f"Write at least {shortest} characters.")
    if isinstance(longest, int) and len(entry) > longest:
        return Mistaken(f"Write at most {longest} characters.")
    return entry


def _whole(entry: str, limits: Mapping[str, Any]) -> Any:
    """5.0 is the same number as 5."""
    if not DECIMAL.fullmatch(entry) or not float(entry).is_integer():
        return Mistaken("Write a whole number.")
    return _bounded(int(entry) if WHOLE.fullmatch(entry) else int(float(entry)), limits)


def _number(entry: str, limits: Mapping[str, Any]) -> Any:
    """A whole number stays one, so that it is shown as it was written."""
    if WHOLE.fullmatch(entry):
        return _bounded(int(entry), limits)
    if not DECIMAL.fullmatch(entry) or not math.isfinite(float(entry)):
        return Mistaken("Write a number.")
    return _bounded(float(entry), limits)


def _bounded(number: float, limits: Mapping[str, Any]) -> Any:
    for name, told, holds in _BOUNDS:
        limit = limits.get(name)
        if isinstance(limit, int | float) and not holds(number, limit):
            return Mistaken(f"Write a number that is {told} {limit}.")
    return number
