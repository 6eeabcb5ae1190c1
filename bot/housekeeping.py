"""What nobody asks for any more is forgotten."""

from datetime import datetime, timedelta

from sqlalchemy import Connection

from storage.inbox import forget_arrivals
from storage.processes import forget_processes

ARRIVALS_KEPT = timedelta(days=30)
"""How long a second arrival of the same is known for what it is."""
PROCESSES_KEPT = timedelta(hours=1)
INTERVAL = timedelta(days=1)
"""Between two rounds of a process that does everything: it looks through all names, and others wait meanwhile."""


def forget_the_old(connection: Connection, now: datetime) -> None:
    """Forget the names of what came in long ago, and processes that have not been seen for long."""
    forget_arrivals(connection, now - ARRIVALS_KEPT)
    forget_processes(connection, now - PROCESSES_KEPT)
