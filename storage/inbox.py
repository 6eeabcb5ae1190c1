"""The inbox: every name under which something came in, written in the transaction of its event (DESIGN §3.5)."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select

from agents.errors import VersionConflict
from storage.tables import InboxRow
from storage.write_batch import WriteBatch

_inbox = InboxRow.__table__  # type: ignore[attr-defined]  # SQLModel does not declare the table it makes

_INSERT = insert(_inbox)


@dataclass(frozen=True)
class IdempotencyClaim:
    """The names of one thing that came in on a channel: any of them seen before makes it a duplicate.

    `fingerprint` tells whether the same name stands for the same content.
    """

    channel: str
    keys: tuple[str, ...]
    fingerprint: str | None = None


@dataclass(frozen=True)
class PreviousResult:
    """What came of it the first time."""

    thread_id: str
    fingerprint: str | None
    reply: str | None


def find_duplicate(connection: Connection, claim: IdempotencyClaim) -> PreviousResult | None:
    """The first arrival under one of these names, if there was one."""
    query = select(_inbox.c.thread_id, _inbox.c.fingerprint, _inbox.c.reply).where(
        _inbox.c.channel == claim.channel, _inbox.c.key.in_(claim.keys)
    )
    row = connection.execute(query.limit(1)).first()
    return None if row is None else PreviousResult(row.thread_id, row.fingerprint, row.reply)


def record_claim(writes: WriteBatch, claim: IdempotencyClaim, thread_id: str, at: datetime, reply: str | None) -> None:
    """Write all the names, and what was answered.

    VersionConflict follows when somebody else wrote one of them since `seen` looked: looking again finds it.
    """
    row = {"channel": claim.channel, "thread_id": thread_id, "at": at, "fingerprint": claim.fingerprint, "reply": reply}
    writes.add(_INSERT, (row | {"key": key} for key in claim.keys), conflict_error=VersionConflict)


def delete_old_claims(connection: Connection, before: datetime) -> None:
    """Names nobody will send again: the longest retry schedules end after days."""
    connection.execute(delete(_inbox).where(_inbox.c.at < before))
