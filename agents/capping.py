"""Texts of events are cut to a size that a log can keep for ever. What people decide on is never cut."""

from typing import Any, TypeVar

from pydantic import BaseModel

MAX_TEXT_BYTES = 64_000

_EXACT = frozenset({"arguments", "digest", "question", "choices"})
"""Fields a digest is made of; too long ones are refused before there is an event."""

E = TypeVar("E", bound=BaseModel)


def cut_text(text: str) -> str:
    """Return the text, or as much of it as MAX_TEXT_BYTES hold, with its full length at its end."""
    if len(text) * 4 <= MAX_TEXT_BYTES:
        return text
    written = text.encode(errors="replace")
    if len(written) <= MAX_TEXT_BYTES:
        return text
    remark = f"… (cut: {len(text)} characters in all)"
    kept = written[: MAX_TEXT_BYTES - len(remark.encode())].decode(errors="ignore")
    return kept + remark


def with_texts_cut(event: E) -> E:
    """Return the event with every text in it cut, at any depth, except the facts a digest binds."""
    changed: E = _cut(event)
    return changed


def _cut(value: Any) -> Any:
    """The same object when there is nothing to cut."""
    if type(value) is str:
        return cut_text(value)
    if isinstance(value, BaseModel):
        changed = _changed((name, getattr(value, name)) for name in type(value).model_fields)
        return value.model_copy(update=changed) if changed else value
    if isinstance(value, dict):
        changed = _changed(value.items())
        return {**value, **changed} if changed else value
    if isinstance(value, list | tuple):
        parts = [_cut(part) for part in value]
        return value if all(a is b for a, b in zip(parts, value, strict=True)) else type(value)(parts)
    return value


def _changed(fields: Any) -> dict[str, Any]:
    cut = ((name, value, _cut(value)) for name, value in fields if name not in _EXACT)
    return {name: after for name, before, after in cut if after is not before}
