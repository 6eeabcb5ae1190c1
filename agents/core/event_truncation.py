"""Truncate long texts in events. Fields that people decide on are never truncated."""

from collections.abc import Mapping
from datetime import datetime
from operator import is_
from typing import Any, TypeVar

from pydantic import BaseModel

MAX_TEXT_BYTES = 64_000

_NEVER_TRUNCATED_FIELDS = frozenset({"arguments", "digest", "question", "choices"})
"""Fields that digests cover; values that are too long are rejected before an event is created."""

_SHORT_TYPES = (str, int, float, datetime, type(None))
"""Types whose values are always short. Plain `str` is handled before; subclasses such as Address are bounded."""

E = TypeVar("E", bound=BaseModel)


def truncate_text(text: str) -> str:
    """Return the text, truncated to MAX_TEXT_BYTES of UTF-8 with its full length appended."""
    if len(text) * 4 <= MAX_TEXT_BYTES:
        return text
    encoded = text.encode(errors="replace")
    if len(encoded) <= MAX_TEXT_BYTES:
        return text
    suffix = f"… (truncated: {len(text)} characters in all)"
    kept = encoded[: MAX_TEXT_BYTES - len(suffix.encode())].decode(errors="ignore")
    return kept + suffix


def truncate_texts(event: E) -> E:
    """Return the event with long texts truncated at any depth, except in fields that a digest covers."""
    changed: E = _truncate_value(event)
    return changed


def _truncate_value(value: Any) -> Any:
    """Return the value truncated, or the same object if nothing changes.

    The isinstance check for models comes last because it is the slowest.
    """
    kind = type(value)
    if kind is str:
        return truncate_text(value)
    if kind is dict:
        changed = _truncated_fields(value)
        return {**value, **changed} if changed else value
    if kind in (list, tuple):
        parts = [_truncate_value(part) for part in value]
        return value if all(map(is_, parts, value)) else kind(parts)
    if not isinstance(value, _SHORT_TYPES) and isinstance(value, BaseModel):
        changed = _truncated_fields(vars(value))
        return value.model_copy(update=changed) if changed else value
    return value


def _truncated_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    changed = {}
    for name, value in fields.items():
        if name not in _NEVER_TRUNCATED_FIELDS and (after := _truncate_value(value)) is not value:
            changed[name] = after
    return changed
