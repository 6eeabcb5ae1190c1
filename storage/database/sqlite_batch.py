"""Execute a write batch on SQLite through the sqlite3 module, which is several times faster than SQLAlchemy."""

import sqlite3
from datetime import UTC, datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, exc

from storage.database.statements import Statement
from storage.database.transactions import Row, WriteBatch, WriteStatement


class _NamedParameters(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return f":{name}"


def execute(connection: Connection, writes: WriteBatch) -> None:
    """Execute the statements in order, in the caller's transaction. Raises a conflict error, and DBAPIError."""
    for write in writes.statements:
        _execute(connection, write)


def _execute(connection: Connection, write: WriteStatement) -> None:
    sql, rows = _render(write.statement), [_to_sqlite_row(row) for row in write.rows]
    sqlite: sqlite3.Connection = connection.connection.driver_connection  # type: ignore[assignment]  # SQLAlchemy has Any
    try:
        cursor = sqlite.executemany(sql, rows) if len(rows) > 1 else sqlite.execute(sql, rows[0])
    except sqlite3.Error as error:
        if write.conflict_error is not None and isinstance(error, sqlite3.IntegrityError):
            raise write.conflict_error from error
        raise exc.DBAPIError.instance(None, None, error, sqlite3.Error) from error
    write.check_row_count(cursor.rowcount)


def _to_sqlite_row(row: Row) -> dict[str, Any]:
    return {name: _format_time(value) if isinstance(value, datetime) else value for name, value in row.items()}


def _format_time(time: datetime) -> str:
    """Return the time in the form in which SQLAlchemy reads it from a column of type UtcTime."""
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


@cache
def _render(statement: Statement) -> str:
    return statement.render(_NamedParameters())
