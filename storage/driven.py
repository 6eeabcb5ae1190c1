"""Writes put to SQLite by its driver: SQLAlchemy takes several times longer over one than the database does."""

import sqlite3
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from sqlalchemy import Connection, Dialect, exc
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from storage.write_batch import Row, Statement, WriteBatch, WriteStatement

DIALECT: Dialect = SQLiteDialect_pysqlite(paramstyle="named")

Written = Callable[[Any], Any]
"""Makes of a value what its column keeps."""


def make(connection: Connection, writes: WriteBatch) -> None:
    """Make one after the other, in a transaction that the caller ends. Raises their refusals, and DBAPIError."""
    for write in writes.statements:
        _make(connection, write)


def _make(connection: Connection, write: WriteStatement) -> None:
    sql, written = _compiled(write.statement)
    rows = [_row(row, written) for row in write.rows]
    driver: sqlite3.Connection = connection.connection.driver_connection  # type: ignore[assignment]  # the dialect's own
    try:
        made = driver.executemany(sql, rows) if len(rows) > 1 else driver.execute(sql, rows[0])
    except sqlite3.Error as error:
        if write.conflict_error is not None and isinstance(error, sqlite3.IntegrityError):
            raise write.conflict_error from error
        raise exc.DBAPIError.instance(None, None, error, sqlite3.Error) from error
    write.check_row_count(made.rowcount)


def _row(row: Row, written: Mapping[str, Written]) -> dict[str, Any]:
    values = dict(row)
    for name, write in written.items():
        values[name] = write(values[name])
    return values


@cache
def _compiled(statement: Statement) -> tuple[str, Mapping[str, Written]]:
    """Return the text of a statement, and how those of its parameters are written that the driver does not take."""
    compiled = statement.compile(dialect=DIALECT)
    processors = {
        name: bound.type.dialect_impl(DIALECT).bind_processor(DIALECT) for name, bound in compiled.binds.items()
    }
    return str(compiled), {name: written for name, written in processors.items() if written is not None}
