"""Heartbeats on a connection of their own, for a thread that does nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from sqlalchemy import Engine, exc, text

from storage.errors import to_store_error
from storage.processes import Process, record_heartbeat
from storage.timeout_connections import create_timeout_engine

RESPONSE_TIMEOUT_SECONDS = 5.0
_SETTINGS = {"statement_timeout": "4000", "lock_timeout": "4000", "synchronous_commit": "off"}
"""Times in milliseconds. A heartbeat that a crash of the server takes back is followed by another one."""
_UPDATE_WORKERS = text("SELECT procrastinate_update_heartbeat_v1(id) FROM unnest(CAST(:workers AS bigint[])) AS id")


@dataclass(frozen=True)
class HeartbeatConnection:
    """One connection, which is replaced after an error. Not for several threads at once."""

    engine: Engine

    @classmethod
    def for_url(cls, url: str, timeout_seconds: float = RESPONSE_TIMEOUT_SECONDS) -> Self:
        engine = create_timeout_engine(url, timeout_seconds, name="handrail heartbeat", size=1, **_SETTINGS)
        return cls(engine.execution_options(isolation_level="AUTOCOMMIT"))

    def record(self, process: Process, workers: Sequence[int], now: datetime) -> None:
        """Say that the process and its workers are there. Raises StoreUnavailable; the next call connects anew."""
        try:
            with self.engine.connect() as connection:
                if workers:
                    connection.execute(_UPDATE_WORKERS, {"workers": list(workers)})
                record_heartbeat(connection, process, now)
        except exc.SQLAlchemyError as error:
            raise to_store_error(error) from error

    def close(self) -> None:
        self.engine.dispose()
