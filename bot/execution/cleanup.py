"""Deletion of expired rows: idempotency claims and processes that no longer run."""

from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import Connection

from storage.database.database import Database
from storage.inbox import delete_old_claims
from storage.processes import delete_silent_processes

INBOX_RETENTION = timedelta(days=30)
"""A second arrival of the same message or request is recognized as a duplicate for this long."""
PROCESS_RETENTION = timedelta(hours=1)
CLEANUP_INTERVAL = timedelta(days=1)
"""Interval of the cleanup in an embedded worker: it scans all claims while other transactions wait."""


async def run_cleanup(database: Database, now: datetime) -> None:
    """Delete expired rows in one transaction. Raises StoreUnavailable."""
    await database.transaction(partial(delete_expired, now=now))


def delete_expired(connection: Connection, now: datetime) -> None:
    """Delete claims older than INBOX_RETENTION and processes without a heartbeat for PROCESS_RETENTION."""
    delete_old_claims(connection, now - INBOX_RETENTION)
    delete_silent_processes(connection, now - PROCESS_RETENTION)
