"""Execute frequent queries with psycopg directly, since SQLAlchemy's overhead is larger than the query itself."""

from functools import cache
from typing import Any

from psycopg.rows import namedtuple_row
from sqlalchemy import Connection, Dialect, Select
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from storage.database.postgres_pool import get_psycopg_connection, wrap_psycopg_errors
from storage.database.transactions import Row

DIALECT: Dialect = PGDialect_psycopg()  # type: ignore[no-untyped-call]  # SQLAlchemy declares no types here


def select_first(connection: Connection, query: Select[Any], row: Row) -> Any:
    """Return the first row as a named tuple, or None.

    Compiled queries are cached for the life of the process, so define `query` at module level.
    """
    if connection.dialect.name != DIALECT.name:
        return connection.execute(query, dict(row)).first()
    text, constants = _compile(query)
    with wrap_psycopg_errors(connection):
        return (
            get_psycopg_connection(connection)
            .cursor(row_factory=namedtuple_row)
            .execute(text, {**constants, **row})
            .fetchone()
        )


@cache
def _compile(query: Select[Any]) -> tuple[bytes, Row]:
    compiled = query.compile(dialect=DIALECT)
    return str(compiled).encode(), compiled.params
