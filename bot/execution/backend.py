"""Port to the execution backend: the part that continues threads, delivers messages and fires timers after a commit.

Every backend also deletes expired rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

from sqlalchemy import Connection

from storage.answer_links import delete_expired_links
from storage.database.database import Database
from storage.inbox import delete_old_claims
from storage.processes import delete_silent_processes
from storage.raw_inputs import delete_old
from storage.sent_messages import SENT_MESSAGE_RETENTION, delete_old_sent


class ExecutionBackend(Protocol):
    """Backend embedded in this process, or one that works on jobs shared with other processes (ADR 0015)."""

    async def start(self) -> None:
        """Start, and continue unfinished work."""
        ...

    async def stop(self, grace_seconds: float) -> None:
        """Take no new work; let running work end within `grace_seconds`, then leave it to others or the next start."""
        ...

    @property
    def is_running(self) -> bool: ...

    @property
    def worker_ids(self) -> Sequence[int]:
        """The ids of this process's job workers; its heartbeat covers them."""
        ...


@dataclass
class NoExecution:
    """Backend of a process that only enqueues jobs; other processes execute them."""

    is_running: bool = False
    worker_ids: Sequence[int] = ()

    async def start(self) -> None:
        self.is_running = True

    async def stop(self, grace_seconds: float) -> None:  # noqa: ARG002 - the port's signature
        self.is_running = False


_: type[ExecutionBackend] = NoExecution


INBOX_RETENTION = timedelta(days=30)
"""A second arrival of the same message or request is recognized as a duplicate for this long."""
INPUT_RETENTION, QUARANTINE_RETENTION = timedelta(days=30), timedelta(days=90)
"""A processed input is kept for as long as a second arrival of it is recognized, a quarantined one for people."""
PROCESS_RETENTION = timedelta(hours=1)
CLEANUP_INTERVAL = timedelta(days=1)
"""Interval of the cleanup in an embedded worker: it scans all claims while other transactions wait."""


async def delete_expired_rows(database: Database, now: datetime) -> None:
    """Delete expired rows in one transaction. Raises StoreUnavailable."""
    await database.transaction(partial(delete_expired, now=now))


def delete_expired(connection: Connection, now: datetime) -> None:
    """Delete claims, stored inputs, links, records of sent messages, and silent processes, each after its retention."""
    delete_old_claims(connection, now - INBOX_RETENTION)
    delete_old(connection, processed_before=now - INPUT_RETENTION, quarantined_before=now - QUARANTINE_RETENTION)
    delete_expired_links(connection, now)
    delete_old_sent(connection, now - SENT_MESSAGE_RETENTION)
    delete_silent_processes(connection, now - PROCESS_RETENTION)
