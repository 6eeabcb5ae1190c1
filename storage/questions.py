"""Questions asked all the time, put to PostgreSQL by its driver: SQLAlchemy takes longer over them than it does."""

from functools import cache
from typing import Any

from psycopg.rows import namedtuple_row
from sqlalchemy import Connection, Dialect, Select
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from storage.connections import as_sqlalchemy, driver_of
from storage.writes import Row

DIALECT: Dialect = PGDialect_psycopg()  # type: ignore[no-untyped-call]  # SQLAlchemy declares no types here


def first(connection: Connection, question: Select[Any], row: Row) -> Any:
    """The first row, by the names of its columns; None when there is none. `question` is kept for ever: have few."""
    if connection.dialect.name != DIALECT.name:
        return connection.execute(question, dict(row)).first()
    text, constants = _compiled(question)
    with as_sqlalchemy(connection):
        return driver_of(connection).cursor(row_factory=namedtuple_row).execute(text, {**constants, **row}).fetchone()


@cache
def _compiled(question: Select[Any]) -> tuple[bytes, Row]:
    compiled = question.compile(dialect=DIALECT)
    return str(compiled).encode(), compiled.params
