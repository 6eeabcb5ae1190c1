"""Requests: one row each, decided by one conditional update (DESIGN §3.3)."""

from datetime import datetime
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection, Row, bindparam, insert, select, update

from agents.errors import AlreadySettled, CodeTaken
from agents.requests import Request
from agents.rights import Viewer, unknown_request
from agents.state import ThreadState
from storage.questions import first
from storage.tables import RequestRow
from storage.threads import events_after, stored
from storage.unreadable import folded, unreadable_request
from storage.viewers import visible
from storage.writes import Writes

_request = RequestRow.__table__  # type: ignore[attr-defined]  # SQLModel does not declare the table it makes

MAX_FOLDED = 1000
"""Events that are folded for one request whose row cannot be read: others wait meanwhile."""

_OPTIONAL = [name for name, field in Request.model_fields.items() if not field.is_required() and not field.default]
_OPEN = insert(_request)
_FIND = select(_request).where(
    (_request.c.id == bindparam("named")) | (_request.c.code == bindparam("code", type_=_request.c.code.type))
)
_SAVE = (
    update(_request)
    .where(_request.c.id == bindparam("request"), _request.c.status == bindparam("expected"))
    .values(status=bindparam("status"), data=bindparam("data"))
)


def open_request(writes: Writes, request: Request) -> None:
    """Write a new request. CodeTaken follows when its code was given out before."""
    row = {
        "id": request.id,
        "code": request.code,
        "thread_id": request.thread_id,
        "status": request.status,
        "opened_at": request.opened_at,
        "data": _written(request),
    }
    writes.add(_OPEN, [row], refused=CodeTaken)


def save_request(writes: Writes, before: Request, after: Request) -> None:
    """Renew a request. AlreadySettled follows when somebody else ended it first."""
    row = {
        "request": after.id,
        "expected": before.status,
        "status": after.status,
        "data": _written(after),
    }
    writes.add(_SAVE, [row], refused=AlreadySettled)


def _written(request: Request) -> str:
    """Return what its row keeps: without what is empty, which the log has all the same."""
    empty = {name for name in _OPTIONAL if not getattr(request, name)}
    return request.model_dump_json(exclude=empty, exclude_none=True)


def load_request(connection: Connection, named: str) -> Request:
    """The request with this id or this code. Raises RequestNotFound."""
    row = first(connection, _FIND, {"named": named, "code": named.upper()})
    if row is None:
        raise unknown_request(named)
    return _read(connection, row)


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
        query = visible(connection, query, _request.c.thread_id, viewer)
    if before is not None:
        at, request_id = before
        older = (_request.c.opened_at < at) | ((_request.c.opened_at == at) & (_request.c.id < request_id))
        query = query.where(older)
    return [_read(connection, row) for row in connection.execute(query).all()]


def _read(connection: Connection, row: Row[Any]) -> Request:
    """The request that is kept, or what its thread's log folds to where this build cannot read what is kept."""
    try:
        return Request.model_validate_json(row.data)
    except ValidationError:
        found = _in_the_log(connection, row)
    return unreadable_request(row) if found is None or found.status != row.status else found


def _in_the_log(connection: Connection, row: Row[Any]) -> Request | None:
    """The request as its thread has it; a settled one is forgotten there after a while, and looked for in the log."""
    state = stored(connection, row.thread_id)
    found = state.request_named(row.id)
    if found is not None or state.version > MAX_FOLDED:
        return found
    state = ThreadState()
    for _, event in events_after(connection, row.thread_id):
        state = folded(state, [event])
        found = state.request_named(row.id) or found
    return found
