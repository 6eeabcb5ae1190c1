"""Texts of events are cut to a size that a log can keep for ever. What people decide on is never cut."""

from collections.abc import Mapping
from datetime import datetime
from operator import is_
from typing import Any, TypeVar

from pydantic import BaseModel

MAX_TEXT_BYTES = 64_000

_NEVER_TRUNCATED_FIELDS = frozenset({"arguments", "digest", "question", "choices"})
"""Fields a digest is made of; too long ones are refused before there is an event."""

_SHORT = (str, int, float, datetime, type(None))
"""Values that are never too long, behind a look for plain texts: names and addresses are bounded."""

E = TypeVar("E", bound=BaseModel)


def truncate_text(text: str) -> str:
    """Return the text, or as much of it as MAX_TEXT_BYTES hold, with its full length at its end."""
    if len(text) * 4 <= MAX_TEXT_BYTES:
        return text
    written = text.encode(errors="replace")
    if len(written) <= MAX_TEXT_BYTES:
        return text
    remark = f"… (cut: {len(text)} characters in all)"
    kept = written[: MAX_TEXT_BYTES - len(remark.encode())].decode(errors="ignore")
    return kept + remark


def truncate_texts(event: E) -> E:
    """Return the event with every text in it cut, at any depth, except the facts a digest binds."""
    changed: E = _truncate_value(event)
    return changed


def _truncate_value(value: Any) -> Any:
    """Return the same object when there is nothing to cut. To ask whether a value is a model takes longest."""
    kind = type(value)
    if kind is str:
        return truncate_text(value)
    if kind is dict:
        changed = _truncated_fields(value)
        return {**value, **changed} if changed else value
    if kind in (list, tuple):
        parts = [_truncate_value(part) for part in value]
        return value if all(map(is_, parts, value)) else kind(parts)
    if not isinstance(value, _SHORT) and isinstance(value, BaseModel):
        changed = _truncated_fields(vars(value))
        return value.model_copy(update=changed) if changed else value
    return value


def _truncated_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    changed = {}
    for name, value in fields.items():
        if name not in _NEVER_TRUNCATED_FIELDS and (after := _truncate_value(value)) is not value:
            changed[name] = after
    return changed
