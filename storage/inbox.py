"""The inbox: every name under which something came in, written in the transaction of its event (DESIGN §3.5)."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert, select

from storage.tables import InboxRow

_inbox = InboxRow.__table__  # type: ignore[attr-defined]  # SQLModel does not declare the table it makes


@dataclass(frozen=True)
class Claim:
    """The names of one thing that came in on a channel: any of them seen before makes it a duplicate.

    `fingerprint` tells whether the same name stands for the same content.
    """

    channel: str
    keys: tuple[str, ...]
    fingerprint: str | None = None


@dataclass(frozen=True)
class Earlier:
    """What came of it the first time."""

    thread_id: str
    fingerprint: str | None
    reply: str | None


def seen(connection: Connection, claim: Claim) -> Earlier | None:
    """The first arrival under one of these names, if there was one."""
    query = select(_inbox.c.thread_id, _inbox.c.fingerprint, _inbox.c.reply).where(
        _inbox.c.channel == claim.channel, _inbox.c.key.in_(claim.keys)
    )
    row = connection.execute(query.limit(1)).first()
    return None if row is None else Earlier(row.thread_id, row.fingerprint, row.reply)


def enter(connection: Connection, claim: Claim, thread_id: str, at: datetime, reply: str | None) -> None:
    """Write all the names, and what was answered. A race that `seen` did not see ends at the primary key."""
    row = {"channel": claim.channel, "thread_id": thread_id, "at": at, "fingerprint": claim.fingerprint, "reply": reply}
    connection.execute(insert(_inbox), [row | {"key": key} for key in claim.keys])
