"""The time at which a database hands out jobs for later: it stands where the clock of a test stands."""

from datetime import datetime

from sqlalchemy import Connection, NullPool, create_engine, text

from storage.jobs import QUEUES
from storage.postgres import psycopg_url

_USE_FAKE_TIME_WHEN_FETCHING = "ALTER FUNCTION procrastinate_fetch_job_v2 SET search_path = fake, public, pg_catalog"
"""Fetching alone has this time: heartbeats and the search for dead workers go by the true one."""
_FAKE_CLOCK_EXISTS = text("SELECT to_regclass('fake.clock') IS NOT NULL")
_CREATE_FAKE_CLOCK = """
CREATE SCHEMA fake;
CREATE TABLE fake.clock (at timestamptz);
INSERT INTO fake.clock VALUES (NULL);
CREATE FUNCTION fake.now() RETURNS timestamptz STABLE LANGUAGE sql AS 'SELECT at FROM fake.clock';
"""
_CREATE_OFFSET_CLOCK = """
CREATE SCHEMA IF NOT EXISTS fake;
CREATE OR REPLACE FUNCTION fake.now() RETURNS timestamptz STABLE LANGUAGE sql
    AS 'SELECT pg_catalog.now() + make_interval(secs => {seconds})';
"""
_SET_TIME = text("UPDATE fake.clock SET at = :at")
_NOTIFY_QUEUE = text(
    """SELECT pg_notify('procrastinate_queue_v1#' || :queue, '{"type": "job_inserted", "job_id": 0}')"""
)


class DatabaseClock:
    """Turned by hand. Whoever waits for jobs is rung for: what has become due is taken at once."""

    def __init__(self, url: str) -> None:
        self._engine = create_engine(psycopg_url(url), poolclass=NullPool)
        with self._engine.begin() as connection:
            if not connection.execute(_FAKE_CLOCK_EXISTS).scalar():
                connection.exec_driver_sql(_CREATE_FAKE_CLOCK)
                connection.exec_driver_sql(_USE_FAKE_TIME_WHEN_FETCHING)

    def set_time(self, at: datetime) -> None:
        with self._engine.begin() as connection:
            connection.execute(_SET_TIME, {"at": at})
            _notify_workers(connection)


def set_offset(connection: Connection, seconds: float) -> None:
    """Let it run, ahead of the true time."""
    connection.exec_driver_sql(_CREATE_OFFSET_CLOCK.format(seconds=seconds))
    connection.exec_driver_sql(_USE_FAKE_TIME_WHEN_FETCHING)


def _notify_workers(connection: Connection) -> None:
    for queue in QUEUES:
        connection.execute(_NOTIFY_QUEUE, {"queue": queue})
