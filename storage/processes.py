"""Processes that share the database: each records heartbeats on a separate connection."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from sqlalchemy import Connection, Engine, delete, exc, insert, select, text, update

from storage.database.errors import to_store_error
from storage.database.postgres import create_timeout_engine
from storage.database.tables import ProcessRow

_process = ProcessRow.__table__  # type: ignore[attr-defined]  # SQLModel does not declare the table it makes


@dataclass(frozen=True)
class Process:
    """One process. `queues` is empty if it takes no jobs; it runs `concurrency` jobs of each at once."""

    id: str
    role: str
    host: str
    pid: int
    queues: tuple[str, ...]
    concurrency: int
    started_at: datetime


@dataclass(frozen=True)
class ProcessStatus:
    """A process and the time of its last heartbeat."""

    process: Process
    last_seen_at: datetime


def record_heartbeat(connection: Connection, process: Process, now: datetime) -> None:
    """Record a heartbeat. The first one inserts the row."""
    updated = connection.execute(update(_process).where(_process.c.id == process.id).values(seen_at=now))
    if updated.rowcount == 0:
        connection.execute(insert(_process), {**vars(process), "queues": ",".join(process.queues), "seen_at": now})


def unregister_process(connection: Connection, process_id: str) -> None:
    """Delete the row of a process that stops."""
    connection.execute(delete(_process).where(_process.c.id == process_id))


def delete_silent_processes(connection: Connection, silent_since: datetime) -> None:
    """Delete the rows of processes that have sent no heartbeat since then."""
    connection.execute(delete(_process).where(_process.c.seen_at < silent_since))


def list_processes(connection: Connection) -> list[ProcessStatus]:
    """Return all processes, ordered by role and start time."""
    rows = connection.execute(select(_process).order_by(_process.c.role, _process.c.started_at)).mappings()
    return [_status_from_row(dict(row)) for row in rows]


def _status_from_row(row: dict[str, object]) -> ProcessStatus:
    at = row.pop("seen_at")
    queues = tuple(filter(None, str(row.pop("queues")).split(",")))
    return ProcessStatus(Process(**row, queues=queues), at)  # type: ignore[arg-type]  # the columns are the fields


RESPONSE_TIMEOUT_SECONDS = 5.0
_SETTINGS = {"statement_timeout": "4000", "lock_timeout": "4000", "synchronous_commit": "off"}
"""Timeouts in milliseconds. `synchronous_commit` is off, since the next heartbeat replaces one that a crash loses."""
_UPDATE_WORKERS = text("SELECT procrastinate_update_heartbeat_v1(id) FROM unnest(CAST(:workers AS bigint[])) AS id")


@dataclass(frozen=True)
class HeartbeatConnection:
    """One connection, replaced after an error. Not thread-safe."""

    engine: Engine

    @classmethod
    def for_url(cls, url: str, timeout_seconds: float = RESPONSE_TIMEOUT_SECONDS) -> Self:
        engine = create_timeout_engine(url, timeout_seconds, name="handrail heartbeat", size=1, **_SETTINGS)
        return cls(engine.execution_options(isolation_level="AUTOCOMMIT"))

    def record(self, process: Process, workers: Sequence[int], now: datetime) -> None:
        """Record that the process and its Procrastinate workers, given by their ids, are alive.

        Raises StoreUnavailable; the next call reconnects.
        """
        try:
            with self.engine.connect() as connection:
                if workers:
                    connection.execute(_UPDATE_WORKERS, {"workers": list(workers)})
                record_heartbeat(connection, process, now)
        except exc.SQLAlchemyError as error:
            raise to_store_error(error) from error

    def close(self) -> None:
        self.engine.dispose()
