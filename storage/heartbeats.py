"""Heartbeats on a connection of their own, for a thread that does nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from sqlalchemy import Engine, exc, text

from storage.bounded import bounded_engine
from storage.processes import Process, beat
from storage.refusals import mapped

ANSWER_TIMEOUT_SECONDS = 5.0
_SETTINGS = {"statement_timeout": "4000", "lock_timeout": "4000", "synchronous_commit": "off"}
"""Times in milliseconds. A heartbeat that a crash of the server takes back is followed by another one."""
_WORKERS = text("SELECT procrastinate_update_heartbeat_v1(id) FROM unnest(CAST(:workers AS bigint[])) AS id")


@dataclass(frozen=True)
class Pulse:
    """One connection, which is replaced after an error. Not for several threads at once."""

    engine: Engine

    @classmethod
    def to(cls, url: str, timeout: float = ANSWER_TIMEOUT_SECONDS) -> Self:
        engine = bounded_engine(url, timeout, name="handrail heartbeat", size=1, **_SETTINGS)
        return cls(engine.execution_options(isolation_level="AUTOCOMMIT"))

    def beat(self, process: Process, workers: Sequence[int], now: datetime) -> None:
        """Say that the process and its workers are there. Raises StoreUnavailable; the next call connects anew."""
        try:
            with self.engine.connect() as connection:
                if workers:
                    connection.execute(_WORKERS, {"workers": list(workers)})
                beat(connection, process, now)
        except exc.SQLAlchemyError as error:
            raise mapped(error) from error

    def close(self) -> None:
        self.engine.dispose()
