"""Execute a write batch on SQLite through the sqlite3 module, which is several times faster than SQLAlchemy."""

import sqlite3
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from sqlalchemy import Connection, Dialect, exc
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from storage.database.transactions import Row, Statement, WriteBatch, WriteStatement

DIALECT: Dialect = SQLiteDialect_pysqlite(paramstyle="named")

ValueProcessor = Callable[[Any], Any]
"""Function that converts a parameter to a value that sqlite3 can store, such as a datetime to a text."""


def execute(connection: Connection, writes: WriteBatch) -> None:
    """Execute the statements in order, in the caller's transaction. Raises a conflict error, and DBAPIError."""
    for write in writes.statements:
        _execute(connection, write)


def _execute(connection: Connection, write: WriteStatement) -> None:
    sql, processors = _compile(write.statement)
    rows = [_process_row(row, processors) for row in write.rows]
    sqlite: sqlite3.Connection = connection.connection.driver_connection  # type: ignore[assignment]  # SQLAlchemy has Any
    try:
        cursor = sqlite.executemany(sql, rows) if len(rows) > 1 else sqlite.execute(sql, rows[0])
    except sqlite3.Error as error:
        if write.conflict_error is not None and isinstance(error, sqlite3.IntegrityError):
            raise write.conflict_error from error
        raise exc.DBAPIError.instance(None, None, error, sqlite3.Error) from error
    write.check_row_count(cursor.rowcount)


def _process_row(row: Row, processors: Mapping[str, ValueProcessor]) -> dict[str, Any]:
    values = dict(row)
    for name, process in processors.items():
        values[name] = process(values[name])
    return values


@cache
def _compile(statement: Statement) -> tuple[str, Mapping[str, ValueProcessor]]:
    """Return the SQL text of a statement, and the processors of those parameters that need a conversion."""
    compiled = statement.compile(dialect=DIALECT)
    processors = {
        name: bound.type.dialect_impl(DIALECT).bind_processor(DIALECT) for name, bound in compiled.binds.items()
    }
    return str(compiled), {name: process for name, process in processors.items() if process is not None}
