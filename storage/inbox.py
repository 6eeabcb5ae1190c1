"""Inbox: the dedup keys of everything that came in, written in the transaction of its events (ADR 0005)."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, select

from agents.core.errors import VersionConflict
from storage.database.statements import InsertRow
from storage.database.tables import InboxRow
from storage.database.transactions import WriteBatch

_inbox = InboxRow.__table__  # type: ignore[attr-defined]  # SQLModel does not declare the table it makes

_INSERT = InsertRow("inbox", ("channel", "key", "thread_id", "at", "fingerprint", "reply"))


@dataclass(frozen=True)
class IdempotencyClaim:
    """The dedup keys of one arrival on a channel. It is a duplicate if any of them was recorded before.

    `fingerprint` is a digest of the content, to detect a key that is reused for other content.
    """

    channel: str
    keys: tuple[str, ...]
    fingerprint: str | None = None


@dataclass(frozen=True)
class PreviousResult:
    """The thread, the fingerprint and the reply recorded for the first arrival."""

    thread_id: str
    fingerprint: str | None
    reply: str | None


def find_duplicate(connection: Connection, claim: IdempotencyClaim) -> PreviousResult | None:
    """Return the result recorded under one of these keys, or None."""
    query = select(_inbox.c.thread_id, _inbox.c.fingerprint, _inbox.c.reply).where(
        _inbox.c.channel == claim.channel, _inbox.c.key.in_(claim.keys)
    )
    row = connection.execute(query.limit(1)).first()
    return None if row is None else PreviousResult(row.thread_id, row.fingerprint, row.reply)


def record_claim(writes: WriteBatch, claim: IdempotencyClaim, thread_id: str, at: datetime, reply: str | None) -> None:
    """Record all keys and the reply.

    The commit raises VersionConflict if one of the keys was recorded since `find_duplicate`, which finds it on a retry.
    """
    row = {"channel": claim.channel, "thread_id": thread_id, "at": at, "fingerprint": claim.fingerprint, "reply": reply}
    writes.add(_INSERT, (row | {"key": key} for key in claim.keys), conflict_error=VersionConflict)


def delete_old_claims(connection: Connection, before: datetime) -> None:
    """Delete keys recorded before this time. The longest retry schedules of senders end after days."""
    connection.execute(delete(_inbox).where(_inbox.c.at < before))
