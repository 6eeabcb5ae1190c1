"""Heartbeats on a separate connection, used only by the OS thread of `bot.heartbeat`."""

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
        """Record that the process and its workers are alive. Raises StoreUnavailable; the next call reconnects."""
        try:
            with self.engine.connect() as connection:
                if workers:
                    connection.execute(_UPDATE_WORKERS, {"workers": list(workers)})
                record_heartbeat(connection, process, now)
        except exc.SQLAlchemyError as error:
            raise to_store_error(error) from error

    def close(self) -> None:
        self.engine.dispose()
