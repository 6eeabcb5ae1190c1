"""What nobody asks for any more is forgotten."""

from datetime import datetime, timedelta

from sqlalchemy import Connection

from storage.inbox import delete_old_claims
from storage.processes import delete_silent_processes

INBOX_RETENTION = timedelta(days=30)
"""How long a second arrival of the same is known for what it is."""
PROCESS_RETENTION = timedelta(hours=1)
CLEANUP_INTERVAL = timedelta(days=1)
"""Between two rounds of a process that does everything: it looks through all names, and others wait meanwhile."""


def delete_expired(connection: Connection, now: datetime) -> None:
    """Forget the names of what came in long ago, and processes that have not been seen for long."""
    delete_old_claims(connection, now - INBOX_RETENTION)
    delete_silent_processes(connection, now - PROCESS_RETENTION)
