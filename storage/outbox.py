"""Outbox: messages to be sent. A row exists from the event that causes it to the event that records its delivery."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection, Row, bindparam, select, update

from agents.core.next_step import SendMessage, pending_sends
from agents.core.values import Address
from storage.database.tables import DeleteRow, InsertRow, OutboxRow
from storage.database.transactions import WriteBatch
from storage.event_store import load_uncached

_outbox = OutboxRow.__table__  # type: ignore[attr-defined]  # SQLModel does not declare the table it makes

_INSERT = InsertRow("outbox", ("thread_id", "key", "message", "created_at", "version"))
_DELETE = DeleteRow("outbox", "thread_id = {thread_id} AND key = {key}")
_ORDER = (_outbox.c.created_at, _outbox.c.version, _outbox.c.key)
_SELECT_PENDING = select(_outbox).where(_outbox.c.thread_id == bindparam("thread")).order_by(*_ORDER)


@dataclass(frozen=True)
class OutboxMessage:
    """One message to be sent, inserted at `created_at`.

    `may_have_been_sent` is true if an earlier attempt may have delivered it. A card with a `digest_key` was in a digest
    that may have been sent, and is sent again with the other cards of it.
    """

    thread_id: str
    effect: SendMessage
    created_at: datetime
    may_have_been_sent: bool = False
    digest_key: str | None = None


def enqueue(writes: WriteBatch, thread_id: str, effects: Iterable[SendMessage], at: datetime, version: int) -> None:
    """Insert messages. The keys are unique: inserting one twice fails."""
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
    writes.add(_INSERT, rows)


def remove(writes: WriteBatch, thread_id: str, keys: Iterable[str]) -> None:
    """Delete messages that were sent or are obsolete."""
    writes.add(_DELETE, ({"thread_id": thread_id, "key": key} for key in keys))


def list_pending_of_thread(connection: Connection, thread_id: str, address: Address) -> list[OutboxMessage]:
    """Return a thread's messages for one address: updates of earlier messages first, then oldest first."""
    rows = connection.execute(_SELECT_PENDING, {"thread": thread_id})
    messages = [message for message in _messages_from_rows(connection, rows.all()) if message.effect.to == address]
    return sorted(messages, key=lambda message: message.effect.replaces is None)


def list_pending_of_address(connection: Connection, address: Address, limit: int) -> list[OutboxMessage]:
    """Return the oldest `limit` messages of all threads for one address, oldest first."""
    named = _outbox.c.message.contains(f'"to":{json.dumps(address, ensure_ascii=False)}', autoescape=True)
    rows = connection.execute(select(_outbox).where(named).order_by(*_ORDER).limit(limit))
    return [message for message in _messages_from_rows(connection, rows.all()) if message.effect.to == address]


def has_pending_on(connection: Connection, scheme: str) -> bool:
    """Return whether a message waits for an address with this scheme."""
    is_there = _outbox.c.message.contains(f'"to":"{scheme}:', autoescape=True)
    return connection.execute(select(_outbox.c.key).where(is_there).limit(1)).first() is not None


def assign_digest(connection: Connection, messages: Iterable[OutboxMessage], digest_key: str) -> None:
    """Record that these messages are sent in one digest, before its first attempt."""
    for message in messages:
        is_message = (_outbox.c.thread_id == message.thread_id) & (_outbox.c.key == message.effect.key)
        connection.execute(update(_outbox).where(is_message).values(digest_key=digest_key))


def list_pending(connection: Connection) -> list[OutboxMessage]:
    """Return all pending messages, oldest first."""
    return _messages_from_rows(connection, connection.execute(select(_outbox).order_by(*_ORDER)).all())


def list_pending_created_before(connection: Connection, cutoff: datetime, limit: int = 1000) -> list[OutboxMessage]:
    """Return the pending messages created before `cutoff`, oldest first."""
    query = select(_outbox).where(_outbox.c.created_at < cutoff).order_by(*_ORDER).limit(limit)
    return _messages_from_rows(connection, connection.execute(query).all())


def _messages_from_rows(connection: Connection, rows: Iterable[Row[Any]]) -> list[OutboxMessage]:
    found = ((row, _load_effect(connection, row)) for row in rows)
    return [
        OutboxMessage(row.thread_id, effect, row.created_at, digest_key=row.digest_key)
        for row, effect in found
        if effect is not None
    ]


def _load_effect(connection: Connection, row: Row[Any]) -> SendMessage | None:
    """Return the stored message, or the one that follows from its thread's log if this build cannot read the row.

    None if it cannot read the log either: the message stays for a build that can.
    """
    try:
        return SendMessage.model_validate_json(row.message)
    except ValidationError:
        state = load_uncached(connection, row.thread_id)
    return next((effect for effect in pending_sends(state) if effect.key == row.key), None)
