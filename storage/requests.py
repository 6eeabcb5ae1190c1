"""Requests: one row each, found by id or code (a short name to type), decided by one conditional update (ADR 0003)."""

from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection, Row, bindparam, select

from agents.core.errors import AlreadySettled, DuplicateCode
from agents.core.requests import Request
from agents.core.rights import Viewer, request_not_found
from agents.core.state import ThreadState
from storage.codec import fold_readable, unreadable_request
from storage.database.postgres_pool import select_first
from storage.database.tables import InsertRow, RequestRow, UpdateRow
from storage.database.transactions import WriteBatch
from storage.event_store import events_after, load_uncached
from storage.listing import Position, newest_first, restrict_to_viewer

_request = RequestRow.__table__  # type: ignore[attr-defined]  # SQLModel does not declare the table it makes

MAX_FOLDED_EVENTS = 1000
"""Maximum number of events folded for a request whose row cannot be read, since other transactions wait meanwhile."""

_EMPTY_BY_DEFAULT = [
    name for name, field in Request.model_fields.items() if not field.is_required() and not field.default
]
_INSERT = InsertRow("request", ("id", "code", "thread_id", "status", "opened_at", "data"))
_SELECT = select(_request).where(
    (_request.c.id == bindparam("id")) | (_request.c.code == bindparam("code", type_=_request.c.code.type))
)
_UPDATE = UpdateRow("request", "status = {status}, data = {data}", "id = {id} AND status = {expected}")


def insert_request(writes: WriteBatch, request: Request) -> None:
    """Insert a new request. The commit raises DuplicateCode if its code is taken."""
    row = {
        "id": request.id,
        "code": request.code,
        "thread_id": request.thread_id,
        "status": request.status,
        "opened_at": request.opened_at,
        "data": _dump(request),
    }
    writes.add(_INSERT, [row], conflict_error=DuplicateCode)


def update_request(writes: WriteBatch, before: Request, after: Request) -> None:
    """Update a request. The commit raises AlreadySettled if its status has changed since `before`."""
    row = {
        "id": after.id,
        "expected": before.status,
        "status": after.status,
        "data": _dump(after),
    }
    writes.add(_UPDATE, [row], conflict_error=AlreadySettled)


def _dump(request: Request) -> str:
    """Return the JSON of the row, without empty fields that are empty by default: loading restores them."""
    empty = {name for name in _EMPTY_BY_DEFAULT if not getattr(request, name)}
    return request.model_dump_json(exclude=empty, exclude_none=True)


def load_request(connection: Connection, id_or_code: str) -> Request:
    """Return the request with this id or code. Raises RequestNotFound."""
    row = select_first(connection, _SELECT, {"id": id_or_code, "code": id_or_code.upper()})
    if row is None:
        raise request_not_found(id_or_code)
    return _request_from_row(connection, row)


def list_requests(
    connection: Connection,
    *,
    status: str | None,
    thread_id: str | None,
    before: Position | None,
    limit: int,
    viewer: Viewer | None = None,
) -> list[Request]:
    """Return requests, newest first, after the position `before` (opened_at, id); with a viewer, only visible ones."""
    query = newest_first(select(_request), _request.c.opened_at, _request.c.id, before, limit)
    if status is not None:
        query = query.where(_request.c.status == status)
    if thread_id is not None:
        query = query.where(_request.c.thread_id == thread_id)
    if viewer is not None:
        query = restrict_to_viewer(connection, query, _request.c.thread_id, viewer)
    return [_request_from_row(connection, row) for row in connection.execute(query).all()]


def _request_from_row(connection: Connection, row: Row[Any]) -> Request:
    """Return the stored request, or the one in its thread's log if this build cannot read the row."""
    try:
        return Request.model_validate_json(row.data)
    except ValidationError:
        found = _find_in_log(connection, row)
    return unreadable_request(row) if found is None or found.status != row.status else found


def _find_in_log(connection: Connection, row: Row[Any]) -> Request | None:
    """Return the request as its thread's log has it. Old settled requests are no longer in the state."""
    state = load_uncached(connection, row.thread_id)
    found = state.get_request(row.id)
    if found is not None or state.version > MAX_FOLDED_EVENTS:
        return found
    state = ThreadState()
    for _, event in events_after(connection, row.thread_id):
        state = fold_readable(state, [event])
        found = state.get_request(row.id) or found
    return found
