"""Fake time for the query that fetches jobs, so that a scheduled job is due by the clock of a test."""

from datetime import datetime

from sqlalchemy import Connection, NullPool, create_engine, text

from storage.database.postgres import psycopg_url
from storage.jobs import QUEUES

_USE_FAKE_TIME_WHEN_FETCHING = "ALTER FUNCTION procrastinate_fetch_job_v2 SET search_path = fake, public, pg_catalog"
"""Only fetching uses the fake time. Heartbeats and the search for dead workers use the real one."""
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
    """Sets the time that the database uses for fetching jobs, and notifies workers so that they fetch due jobs."""

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
    """Let the time for fetching run `seconds` ahead of the real time."""
    connection.exec_driver_sql(_CREATE_OFFSET_CLOCK.format(seconds=seconds))
    connection.exec_driver_sql(_USE_FAKE_TIME_WHEN_FETCHING)


def _notify_workers(connection: Connection) -> None:
    for queue in QUEUES:
        connection.execute(_NOTIFY_QUEUE, {"queue": queue})
