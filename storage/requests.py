"""Requests: one row each, decided by one conditional update (DESIGN §3.3)."""

from datetime import datetime
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection, Row, bindparam, insert, select, update

from agents.errors import AlreadySettled, DuplicateCode
from agents.requests import Request
from agents.rights import Viewer, request_not_found
from agents.state import ThreadState
from storage.compatibility import fold_readable, unreadable_request
from storage.compiled_queries import select_first
from storage.event_store import events_after, load_uncached
from storage.tables import RequestRow
from storage.viewers import restrict_to_viewer
from storage.write_batch import WriteBatch

_request = RequestRow.__table__  # type: ignore[attr-defined]  # SQLModel does not declare the table it makes

MAX_FOLDED_EVENTS = 1000
"""Events that are folded for one request whose row cannot be read: others wait meanwhile."""

_OPTIONAL = [name for name, field in Request.model_fields.items() if not field.is_required() and not field.default]
_INSERT = insert(_request)
_SELECT = select(_request).where(
    (_request.c.id == bindparam("named")) | (_request.c.code == bindparam("code", type_=_request.c.code.type))
)
_UPDATE = (
    update(_request)
    .where(_request.c.id == bindparam("request"), _request.c.status == bindparam("expected"))
    .values(status=bindparam("status"), data=bindparam("data"))
)


def insert_request(writes: WriteBatch, request: Request) -> None:
    """Write a new request. CodeTaken follows when its code was given out before."""
    row = {
        "id": request.id,
        "code": request.code,
        "thread_id": request.thread_id,
        "status": request.status,
        "opened_at": request.opened_at,
        "data": _written(request),
    }
    writes.add(_INSERT, [row], conflict_error=DuplicateCode)


def update_request(writes: WriteBatch, before: Request, after: Request) -> None:
    """Renew a request. AlreadySettled follows when somebody else ended it first."""
    row = {
        "request": after.id,
        "expected": before.status,
        "status": after.status,
        "data": _written(after),
    }
    writes.add(_UPDATE, [row], conflict_error=AlreadySettled)


def _written(request: Request) -> str:
    """Return what its row keeps: without what is empty, which the log has all the same."""
    empty = {name for name in _OPTIONAL if not getattr(request, name)}
    return request.model_dump_json(exclude=empty, exclude_none=True)


def load_request(connection: Connection, id_or_code: str) -> Request:
    """The request with this id or this code. Raises RequestNotFound."""
    row = select_first(connection, _SELECT, {"named": id_or_code, "code": id_or_code.upper()})
    if row is None:
        raise request_not_found(id_or_code)
    return _request_from_row(connection, row)


def list_requests(
    connection: Connection,
    *,
    status: str | None,
    thread_id: str | None,
    before: tuple[datetime, str] | None,
    limit: int,
    viewer: Viewer | None = None,
) -> list[Request]:
    """Requests, newest first, behind the position `before` (opened_at, id); with a viewer only those they may see."""
    query = select(_request).order_by(_request.c.opened_at.desc(), _request.c.id.desc()).limit(limit)
    if status is not None:
        query = query.where(_request.c.status == status)
    if thread_id is not None:
        query = query.where(_request.c.thread_id == thread_id)
    if viewer is not None:
        query = restrict_to_viewer(connection, query, _request.c.thread_id, viewer)
    if before is not None:
        at, request_id = before
        older = (_request.c.opened_at < at) | ((_request.c.opened_at == at) & (_request.c.id < request_id))
        query = query.where(older)
    return [_request_from_row(connection, row) for row in connection.execute(query).all()]


def _request_from_row(connection: Connection, row: Row[Any]) -> Request:
    """The request that is kept, or what its thread's log folds to where this build cannot read what is kept."""
    try:
        return Request.model_validate_json(row.data)
    except ValidationError:
        found = _find_in_log(connection, row)
    return unreadable_request(row) if found is None or found.status != row.status else found


def _find_in_log(connection: Connection, row: Row[Any]) -> Request | None:
    """The request as its thread has it; a settled one is forgotten there after a while, and looked for in the log."""
    state = load_uncached(connection, row.thread_id)
    found = state.get_request(row.id)
    if found is not None or state.version > MAX_FOLDED_EVENTS:
        return found
    state = ThreadState()
    for _, event in events_after(connection, row.thread_id):
        state = fold_readable(state, [event])
        found = state.get_request(row.id) or found
    return found
