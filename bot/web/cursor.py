"""Cursors: opaque positions in a list, given to clients to fetch the next page."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime

from agents.errors import InvalidInput

Position = tuple[datetime, str]
"""Time and id of the last item on the page before."""


def format_cursor(at: datetime, item_id: str) -> str:
    """Return the cursor that continues after this item."""
    return urlsafe_b64encode(f"{at.astimezone(UTC).isoformat()},{item_id}".encode()).decode().rstrip("=")


def parse_cursor(cursor: str | None) -> Position | None:
    """Return the position of a cursor, or None for the beginning. Raises InvalidInput for an invalid cursor."""
    if cursor is None:
        return None
    try:
        text = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        at, _, item_id = text.partition(",")
        return datetime.fromisoformat(at).astimezone(UTC), item_id
    except (ValueError, OverflowError) as error:
        raise InvalidInput("invalid cursor; omit it to start from the first page") from error
