"""Keyset pagination: the page after a position, without counting the rows before it."""

from datetime import datetime
from typing import Any

from sqlalchemy import Column, Select, tuple_

Position = tuple[datetime, str]
"""Time and id of the last row of the previous page."""


def newest_first(
    query: Select[Any], at: Column[datetime], row_id: Column[str], before: Position | None, limit: int
) -> Select[Any]:
    """Return the query for at most `limit` rows, newest first, that are older than the position `before`."""
    if before is not None:
        query = query.where(tuple_(at, row_id) < before)
    return query.order_by(at.desc(), row_id.desc()).limit(limit)
