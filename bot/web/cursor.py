"""Cursors: where a list goes on, opaque to clients."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime

from agents.errors import InvalidInput

Position = tuple[datetime, str]
"""The time and id of the last one seen."""


def format_cursor(at: datetime, item_id: str) -> str:
    """The cursor behind this one."""
    return urlsafe_b64encode(f"{at.astimezone(UTC).isoformat()},{item_id}".encode()).decode().rstrip("=")


def parse_cursor(cursor: str | None) -> Position | None:
    """The place a cursor stands for; None is the beginning. Raises Invalid for what we never gave out."""
    if cursor is None:
        return None
    try:
        text = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        at, _, identity = text.partition(",")
        return datetime.fromisoformat(at).astimezone(UTC), identity
    except (ValueError, OverflowError) as error:
        raise InvalidInput("cursor: this is no cursor of ours; begin without one") from error
