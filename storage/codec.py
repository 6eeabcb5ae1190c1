"""Events and states as rows keep them, and back."""

import json
from typing import Any

from pydantic import ValidationError

from agents.events import KNOWN, VERSIONS, Event, UnknownEvent
from agents.messages import Provenance
from agents.state import ThreadState
from storage.tables import EventRow
from storage.unreadable import address_of

_COLUMNS = {"type", "v", "at", "actor"}


def row_of(thread_id: str, seq: int, event: Event) -> dict[str, Any]:
    """The columns of one event; `data` holds what has no column of its own."""
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


def event_of(row: EventRow) -> Event:
    """The event of a row. What this build does not know, or knows only in an older form, becomes an UnknownEvent."""
    data = _read(row.data)
    facts = {**data, "type": row.type, "v": row.v, "at": row.at, "actor": row.actor}
    if row.v > VERSIONS.get(row.type, 0):
        return _unknown(facts, data)
    try:
        return KNOWN.validate_python(facts)
    except ValidationError:
        return _unknown(facts, data)


def _read(text: str) -> dict[str, Any]:
    """What a row holds; nothing when it is no JSON object any more, so that the event becomes an UnknownEvent."""
    try:
        data = json.loads(text)
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


def _unknown(facts: dict[str, Any], data: dict[str, Any]) -> UnknownEvent:
    envelope = {name: facts[name] for name in _COLUMNS} | {"actor": address_of(facts["actor"])}
    return UnknownEvent(**envelope, provenance=Provenance.UNVERIFIED, data=data)


def state_json(state: ThreadState) -> str:
    """The state as the projection keeps it: the same bytes for the same state, in any process."""
    return state.model_dump_json(exclude_none=True)


def state_of(text: str) -> ThreadState:
    """The state that was kept."""
    return ThreadState.model_validate_json(text)
