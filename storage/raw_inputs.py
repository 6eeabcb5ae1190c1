"""Raw inputs: arrivals that are stored before they are acknowledged, and processed afterwards (ADR 0032).

An input is claimed in a commit of its own before each attempt. If the process dies meanwhile, the attempt has no end.
Functions that end an attempt change nothing if another process has claimed the input since.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from pydantic import AwareDatetime
from sqlalchemy import Connection, Select, bindparam, delete, func, select, text, update

from agents.core.values import FrozenModel
from storage.database.tables import RawInputRow, UtcTime

_input = RawInputRow.__table__  # type: ignore[attr-defined]  # SQLModel does not declare the table it makes

MAX_NAMED_INPUTS = 20
"""Maximum number of quarantined inputs that `handrail doctor` names."""
MAX_LISTED = 1000
RECENT_PERIOD = timedelta(hours=1)
"""Period in which the inputs of a group are counted, so that a channel can limit its replies to a sender."""
MAX_INDEXED_LENGTH = 200
"""Characters of a key or a group name; longer ones do not fit into an index page of PostgreSQL, so they are hashed."""

_INSERT = text("""
    INSERT INTO raw_input (id, channel, key, group_name, metadata, received_at, state, attempts, unfinished_attempts,
                           keeps_key, has_wrong_code, content)
    VALUES (:id, :channel, :key, :group_name, :metadata, :received_at, 'stored', 0, 0, :keeps_key, false, :content)
    ON CONFLICT (channel, key) DO NOTHING
""").bindparams(bindparam("received_at", type_=UtcTime))
_SELECT_OLDEST = (
    select(_input)
    .where(_input.c.channel == bindparam("channel"), _input.c.group_name == bindparam("group_name"))
    .where(_input.c.state == "stored")
    .order_by(_input.c.received_at, _input.c.id)
    .limit(1)
    .with_for_update()
)
_LOCK_REPLY_KEY = text("SELECT pg_advisory_xact_lock(hashtextextended('handrail reply: ' || :channel || :key, 0))")


@dataclass(frozen=True)
class InputGroup:
    """Inputs of one channel that are processed one at a time, the oldest first."""

    channel: str
    name: str


@dataclass(frozen=True)
class NewInput:
    """An input to store, or as it was stored. With `keeps_key` its key is kept for ever."""

    id: str
    key: str
    group: InputGroup
    metadata: Mapping[str, str]
    received_at: datetime
    content: bytes
    keeps_key: bool = False


@dataclass(frozen=True)
class RecentInputs:
    """Numbers of the inputs of a group that arrived in the RECENT_PERIOD before one of them, itself included."""

    count: int
    wrong_codes: int


@dataclass(frozen=True)
class ClaimedInput:
    """An input that a process has begun to process.

    `attempt` counts from 1. `unfinished_attempts` of those just before it had no end. `recent` counts the inputs of its
    group that arrived in the RECENT_PERIOD before it.
    """

    stored: NewInput
    attempt: int
    unfinished_attempts: int
    recent: RecentInputs


@dataclass(frozen=True)
class StoredReply:
    """The pending reply to an input, in the caller's encoding, and the time at which the input was processed."""

    input_id: str
    channel: str
    content: str
    created_at: datetime


class QuarantinedInput(FrozenModel):
    """An input that could not be processed, and why."""

    id: str
    channel: str
    reason: str
    received_at: AwareDatetime


class Quarantine(FrozenModel):
    """The number of quarantined inputs, and the newest of them, at most MAX_NAMED_INPUTS."""

    count: int = 0
    newest: tuple[QuarantinedInput, ...] = ()


@dataclass(frozen=True)
class AttemptEnd:
    """End of an attempt to process an input, which is now processed, ignored or quarantined (`state`).

    A `reply` comes with a `reply_key`: a channel keeps only its first reply with each key.
    """

    state: str
    reason: str
    at: datetime
    reply: str | None = None
    reply_key: str | None = None
    max_replies: int = 1
    has_wrong_code: bool = False


def to_indexable(name: str) -> str:
    """Return the name, or its hash if it does not fit into an index or has characters that a database refuses."""
    if name.isascii() and name.isprintable() and len(name) <= MAX_INDEXED_LENGTH:
        return name
    return f"sha256:{sha256(name.encode(errors='surrogatepass')).hexdigest()}"


def store(connection: Connection, new: NewInput) -> bool:
    """Store the input. Return False if the channel has stored its key before."""
    result = connection.execute(
        _INSERT,
        {
            "id": new.id,
            "channel": new.group.channel,
            "key": to_indexable(new.key),
            "group_name": new.group.name,
            "metadata": json.dumps(dict(new.metadata)),
            "received_at": new.received_at,
            "keeps_key": new.keeps_key,
            "content": new.content,
        },
    )
    return result.rowcount > 0


def claim_next(connection: Connection, group: InputGroup, now: datetime) -> ClaimedInput | datetime | None:
    """Begin an attempt with the oldest unprocessed input of the group.

    Return the time of its next attempt if that is later than `now`, and None if the group has no such input.
    """
    row = connection.execute(_SELECT_OLDEST, {"channel": group.channel, "group_name": group.name}).first()
    if row is None:
        return None
    if row.next_attempt_at is not None and row.next_attempt_at > now:
        next_attempt_at: datetime = row.next_attempt_at
        return next_attempt_at
    counts = {"attempts": row.attempts + 1, "unfinished_attempts": row.unfinished_attempts + 1}
    connection.execute(update(_input).where(_input.c.id == row.id).values(next_attempt_at=None, **counts))
    stored = NewInput(row.id, row.key, group, json.loads(row.metadata), row.received_at, row.content, row.keeps_key)
    return ClaimedInput(stored, row.attempts + 1, row.unfinished_attempts, count_recent(connection, stored))


def count_recent(connection: Connection, stored: NewInput) -> RecentInputs:
    """Count the inputs of its group that arrived in the RECENT_PERIOD before it, itself included."""
    at = stored.received_at
    is_earlier = (_input.c.received_at < at) | ((_input.c.received_at == at) & (_input.c.id <= stored.id))
    wrong_codes = func.count().filter(_input.c.has_wrong_code)
    query = select(func.count(), wrong_codes).where(
        _input.c.channel == stored.group.channel,
        _input.c.group_name == stored.group.name,
        _input.c.received_at > at - RECENT_PERIOD,
        is_earlier,
    )
    return RecentInputs(*connection.execute(query).one())


def count_ended(connection: Connection, channel: str, reason: str, since: datetime) -> int:
    """Return the number of inputs of a channel that arrived since then and ended with this reason."""
    query = select(func.count()).where(
        _input.c.state.in_(("processed", "ignored")),
        _input.c.received_at > since,
        _input.c.channel == channel,
        _input.c.reason == reason,
    )
    return connection.execute(query).scalar_one()


def finish(connection: Connection, input_id: str, attempt: int, end: AttemptEnd) -> bool:
    """End the processing of an input, and store its reply unless another reply of the channel has its key.

    Return False if the attempt has lost the input to another one; nothing is changed then.
    """
    row = connection.execute(_select_attempt(input_id, attempt)).first()
    if row is None:
        return False
    values: dict[str, Any] = {"state": end.state, "reason": end.reason, "finished_at": end.at}
    values |= {"unfinished_attempts": 0, "has_wrong_code": end.has_wrong_code}
    if end.state == "ignored":
        values["content"] = b""  # strangers can send much that is ignored
    if end.reply is not None and end.reply_key is not None:
        values |= _reply_values(connection, row.channel, end)
    connection.execute(update(_input).where(_input.c.id == input_id).values(**values))
    return True


def postpone(connection: Connection, input_id: str, attempt: int, until: datetime | None, *, is_ended: bool) -> None:
    """Let the next attempt begin at `until`, or at once. The attempt counts as one without an end unless it `is_ended`.

    Nothing is changed if the attempt has lost the input to another one.
    """
    is_current = (_input.c.id == input_id) & (_input.c.state == "stored") & (_input.c.attempts == attempt)
    values = {"next_attempt_at": until, **({"unfinished_attempts": 0} if is_ended else {})}
    connection.execute(update(_input).where(is_current).values(**values))


def _select_attempt(input_id: str, attempt: int) -> Select[tuple[str]]:
    is_current = (_input.c.id == input_id) & (_input.c.state == "stored") & (_input.c.attempts == attempt)
    return select(_input.c.channel).where(is_current).with_for_update()


def _reply_values(connection: Connection, channel: str, end: AttemptEnd) -> dict[str, str | None]:
    """Return the columns of the reply. Two processes may end inputs with the same key, so one waits for the other."""
    key = to_indexable(end.reply_key or "")
    if connection.dialect.name == "postgresql":
        connection.execute(_LOCK_REPLY_KEY, {"channel": channel, "key": key})
    keys = [key, *(f"{key}#{number}" for number in range(2, end.max_replies + 1))]
    is_used = (_input.c.channel == channel) & _input.c.reply_key.in_(keys)
    used = set(connection.execute(select(_input.c.reply_key).where(is_used)).scalars())
    if (free_key := next((one for one in keys if one not in used), None)) is None:
        return {"reply_state": "dropped"}
    return {"reply": end.reply, "reply_key": free_key, "reply_state": "pending"}


def list_unprocessed(connection: Connection, before: datetime | None = None) -> list[tuple[str, InputGroup]]:
    """Return the ids and groups of unprocessed inputs, oldest first: all, or MAX_LISTED that were due before then."""
    query = select(_input.c.id, _input.c.channel, _input.c.group_name).where(_input.c.state == "stored")
    if before is not None:
        is_due = _input.c.next_attempt_at.is_(None) | (_input.c.next_attempt_at < before)
        query = query.where(_input.c.received_at < before, is_due).limit(MAX_LISTED)
    rows = connection.execute(query.order_by(_input.c.received_at, _input.c.id))
    return [(row.id, InputGroup(row.channel, row.group_name)) for row in rows]


def find_group(connection: Connection, input_id: str) -> InputGroup | None:
    """Return the group of an unprocessed input, None if it has been processed."""
    query = select(_input.c.channel, _input.c.group_name).where(_input.c.id == input_id, _input.c.state == "stored")
    row = connection.execute(query).first()
    return None if row is None else InputGroup(row.channel, row.group_name)


def list_replies(
    connection: Connection, *, input_id: str | None = None, before: datetime | None = None
) -> list[StoredReply]:
    """Return the pending replies, oldest first: all, the one to an input, or those stored before a time."""
    query = select(_input.c.id, _input.c.channel, _input.c.reply, _input.c.finished_at)
    query = query.where(_input.c.reply_state == "pending")
    if input_id is not None:
        query = query.where(_input.c.id == input_id)
    if before is not None:
        query = query.where(_input.c.finished_at < before)
    rows = connection.execute(query.order_by(_input.c.finished_at, _input.c.id))
    return [StoredReply(row.id, row.channel, row.reply, row.finished_at) for row in rows]


def end_reply(connection: Connection, input_id: str, state: str) -> None:
    """Record that a pending reply was sent, or that it cannot be delivered."""
    is_pending = (_input.c.id == input_id) & (_input.c.reply_state == "pending")
    connection.execute(update(_input).where(is_pending).values(reply_state=state))


def load_quarantine(connection: Connection) -> Quarantine:
    """Return the number of quarantined inputs and the newest of them."""
    is_quarantined = _input.c.state == "quarantined"
    query = select(_input.c.id, _input.c.channel, _input.c.reason, _input.c.received_at).where(is_quarantined)
    rows = connection.execute(query.order_by(_input.c.received_at.desc(), _input.c.id).limit(MAX_NAMED_INPUTS))
    newest = tuple(QuarantinedInput(**row) for row in rows.mappings())
    count = connection.execute(select(func.count()).where(is_quarantined)).scalar_one()
    return Quarantine(count=count, newest=newest)


def delete_old(connection: Connection, processed_before: datetime, quarantined_before: datetime) -> None:
    """Delete inputs that arrived before these times, unless they are unprocessed or have a pending reply.

    An input with `keeps_key` loses only its content.
    """
    has_no_reply = _input.c.reply_state.is_(None) | (_input.c.reply_state != "pending")
    is_processed = _input.c.state.in_(("processed", "ignored")) & (_input.c.received_at < processed_before)
    is_quarantined = (_input.c.state == "quarantined") & (_input.c.received_at < quarantined_before)
    is_old = has_no_reply & (is_processed | is_quarantined)
    connection.execute(delete(_input).where(is_old, ~_input.c.keeps_key))
    is_kept = is_old & _input.c.keeps_key & (_input.c.content != b"")
    connection.execute(update(_input).where(is_kept).values(content=b"", metadata="{}", reply=None))
