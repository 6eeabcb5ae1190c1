"""The outbox: messages the log wants sent. A row lives from the event that wants it to the one that says it left."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection, Row, bindparam, delete, insert, select

from agents.addresses import Address
from agents.effects import SendMessage
from agents.next_step import messages
from storage.tables import OutboxRow
from storage.threads import stored
from storage.writes import Writes

_outbox = OutboxRow.__table__  # type: ignore[attr-defined]  # SQLModel does not declare the table it makes

_PUT = insert(_outbox)
_ORDER = (_outbox.c.created_at, _outbox.c.version, _outbox.c.key)
_WAITING = select(_outbox).where(_outbox.c.thread_id == bindparam("thread")).order_by(*_ORDER)
_DROP = delete(_outbox).where(_outbox.c.thread_id == bindparam("thread"), _outbox.c.key == bindparam("effect"))


@dataclass(frozen=True)
class Parcel:
    """One message on its way. `again`: an earlier attempt may have arrived."""

    thread_id: str
    effect: SendMessage
    again: bool = False


def put(writes: Writes, thread_id: str, effects: Iterable[SendMessage], at: datetime, version: int) -> None:
    """Keep messages until a channel has taken them. The key is unique: putting one twice is an error, never a copy."""
    rows = (
        {
            "thread_id": thread_id,
            "key": effect.key,
            "message": effect.model_dump_json(exclude_none=True),
            "created_at": at,
            "version": version,
        }
        for effect in effects
    )
    writes.add(_PUT, rows)


def drop(writes: Writes, thread_id: str, keys: Iterable[str]) -> None:
    """Forget messages that were taken, or are no longer wanted."""
    writes.add(_DROP, ({"thread": thread_id, "effect": key} for key in keys))


def waiting_for(connection: Connection, thread_id: str, to: Address) -> list[Parcel]:
    """What a thread still has for one destination: what corrects something first, else oldest first."""
    rows = connection.execute(_WAITING, {"thread": thread_id})
    there = [parcel for parcel in _parcels(connection, rows.all()) if parcel.effect.to == to]
    return sorted(there, key=lambda parcel: parcel.effect.replacing is None)


def waiting(connection: Connection) -> list[Parcel]:
    """All that is still to be sent, oldest first."""
    return _parcels(connection, connection.execute(select(_outbox).order_by(*_ORDER)).all())


def waiting_since(connection: Connection, since: datetime, limit: int = 1000) -> list[Parcel]:
    """What was still to be sent then, oldest first."""
    query = select(_outbox).where(_outbox.c.created_at < since).order_by(*_ORDER).limit(limit)
    return _parcels(connection, connection.execute(query).all())


def _parcels(connection: Connection, rows: Iterable[Row[Any]]) -> list[Parcel]:
    found = ((row.thread_id, _effect(connection, row)) for row in rows)
    return [Parcel(thread_id, effect) for thread_id, effect in found if effect is not None]


def _effect(connection: Connection, row: Row[Any]) -> SendMessage | None:
    """The message that is kept, or what its thread's log wants sent where this build cannot read what is kept.

    None where it cannot read the log either: the message waits for a build that can.
    """
    try:
        return SendMessage.model_validate_json(row.message)
    except ValidationError:
        state = stored(connection, row.thread_id)
    return next((effect for effect in messages(state) if effect.key == row.key), None)
