"""Heartbeats on a connection of their own, for a thread that does nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from sqlalchemy import Engine, create_engine, exc, text

from storage.postgres import CONNECT, psycopg_url
from storage.processes import Process, beat
from storage.refusals import mapped

_TIMEOUT = "-c statement_timeout=5000 -c lock_timeout=5000 -c synchronous_commit=off"
"""A heartbeat that a crash of the server takes back is followed by another one."""
_WORKERS = text("SELECT procrastinate_update_heartbeat_v1(id) FROM unnest(CAST(:workers AS bigint[])) AS id")


@dataclass(frozen=True)
class Pulse:
    """One connection, which is replaced after an error. Not for several threads at once."""

    engine: Engine

    @classmethod
    def to(cls, url: str) -> Self:
        options = {**CONNECT, "options": _TIMEOUT, "application_name": "handrail heartbeat"}
        engine = create_engine(psycopg_url(url), pool_size=1, max_overflow=0, connect_args=options)
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
