"""Conversion of events and states to database rows and back."""

import json
from typing import Any

from pydantic import ValidationError

from agents.events import EVENT_ADAPTER, EVENT_VERSIONS, Event, UnknownEvent
from agents.messages import Provenance
from agents.state import ThreadState
from storage.compatibility import parse_address_or_engine
from storage.tables import EventRow

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
    if row.v > EVENT_VERSIONS.get(row.type, 0):
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
    """Return the state as stored in the projection. Equal states give equal texts, in any process."""
    return state.model_dump_json(exclude_none=True)


def parse_state(raw: str) -> ThreadState:
    """Return the stored state. Raises pydantic's ValidationError."""
    return ThreadState.model_validate_json(raw)
