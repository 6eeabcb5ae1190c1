"""Conversion of events and states to database rows and back, with substitutes for rows of a newer build."""

import json
from collections.abc import Iterable
from typing import Annotated, Any, get_args

from pydantic import Field, TypeAdapter, ValidationError
from sqlalchemy import Row

from agents.core.events import Event, KnownEvent, UnknownEvent
from agents.core.messages import Provenance
from agents.core.policy import ApprovalTerms, PolicyDecision
from agents.core.reducer import reduce
from agents.core.requests import Request, RequestStatus
from agents.core.state import ThreadState
from agents.core.values import ENGINE, Address
from storage.database.tables import EventRow

_COLUMNS = {"type", "v", "at", "actor"}


def event_to_row(thread_id: str, seq: int, event: Event) -> dict[str, Any]:
    """Return the columns of one event. `data` is JSON of the fields that have no column of their own."""
    data = event.model_dump_json(exclude=_COLUMNS, exclude_none=True)
    return {
        "thread_id": thread_id,
        "seq": seq,
        "type": event.type,
        "v": event.v,
        "at": event.at,
        "actor": event.actor,
        "data": data,
    }


def event_from_row(row: EventRow) -> Event:
    """Return the event of a row. An event that this build cannot validate becomes an UnknownEvent."""
    data = _parse_data(row.data)
    fields = {**data, "type": row.type, "v": row.v, "at": row.at, "actor": row.actor}
    if row.v > EVENT_SCHEMA_VERSIONS.get(row.type, 0):
        return _unknown_event(fields, data)
    try:
        return EVENT_ADAPTER.validate_python(fields)
    except ValidationError:
        return _unknown_event(fields, data)


def _parse_data(raw: str) -> dict[str, Any]:
    """Return the JSON object of a row, or {} if its text is not one; the event then becomes an UnknownEvent."""
    try:
        data = json.loads(raw)
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


def _unknown_event(fields: dict[str, Any], data: dict[str, Any]) -> UnknownEvent:
    envelope = {name: fields[name] for name in _COLUMNS} | {"actor": parse_address_or_engine(fields["actor"])}
    return UnknownEvent(**envelope, provenance=Provenance.UNVERIFIED, data=data)


def dump_state(state: ThreadState) -> str:
    """Return the state as stored in the thread's row. Equal states give equal texts, in any process."""
    return state.model_dump_json(exclude_none=True)


def parse_state(raw: str) -> ThreadState:
    """Return the stored state. Raises pydantic's ValidationError."""
    return ThreadState.model_validate_json(raw)


NEWER_BUILD_REASON = "a row of a newer build"
_OPEN_STATUS = "open"


def unreadable_thread(row: Row[Any], folded_state: ThreadState) -> ThreadState:
    """Return the state of a thread whose log is unreadable, from the columns of its row."""
    known = {"thread_id": row.id, "agent": row.agent, "version": row.version, "created_at": row.created_at}
    state = folded_state.model_copy(update=known | {"updated_at": folded_state.updated_at or row.updated_at})
    if state.requester == ENGINE:
        requester = parse_address_or_engine(row.requester)
        state = state.model_copy(update={"requester": requester, "requesters": state.requesters or (requester,)})
    return state if state.unreadable else state.model_copy(update={"unreadable": NEWER_BUILD_REASON})


def parse_address_or_engine(text: str | None) -> Address:
    """Return the address, or the engine's address if the text is not a valid one."""
    try:
        return Address(text or ENGINE)
    except ValueError:
        return ENGINE


def fold_readable(state: ThreadState, events: Iterable[Event]) -> ThreadState:
    """Return the state after all events. An event that cannot be folded pauses the thread as unreadable.

    Events after one of a newer build may not fit the state that this build folded before them.
    """
    for event in events:
        try:
            state = reduce(state, event)
        except Exception:  # noqa: BLE001 - one unreadable log must not break lists
            state = reduce(state, UnknownEvent(type=event.type, v=event.v, at=event.at, actor=event.actor))
    return state


def unreadable_request(row: Row[Any]) -> Request:
    """Return a substitute for a request whose row and log this build cannot read. This build cannot decide it."""
    status = row.status if row.status in get_args(RequestStatus) else "superseded"
    return Request(
        id=row.id,
        code=row.code,
        kind="question",
        purpose="question",
        thread_id=row.thread_id,
        agent="unknown",
        requester=ENGINE,
        question="This request was written by a newer Handrail. Open it with that version.",
        digest="",
        policy=PolicyDecision(answer="ask", rule="unreadable", ask=ApprovalTerms()),
        opened_at=row.opened_at,
        status=status,
        is_kept_open=status == _OPEN_STATUS,  # so that this build neither expires it nor shows an expiry
    )


EVENT_ADAPTER: TypeAdapter[KnownEvent] = TypeAdapter(Annotated[KnownEvent, Field(discriminator="type")])
EVENT_SCHEMA_VERSIONS: dict[str, int] = {
    event_class.model_fields["type"].default: event_class.model_fields["v"].default
    for event_class in KnownEvent.__args__
}
