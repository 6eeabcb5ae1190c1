"""Execute all writes of a commit as one data-modifying CTE on PostgreSQL, in a single round trip.

This avoids BEGIN, COMMIT and the GIL hand-offs between statements, during which the server would hold its locks.
See https://www.postgresql.org/docs/current/queries-with.html#QUERIES-WITH-MODIFYING
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from psycopg import Error
from sqlalchemy import Connection, Insert, TextClause, Update

from storage.database.postgres_pool import get_psycopg_connection, wrap_psycopg_errors
from storage.database.postgres_queries import DIALECT
from storage.database.transactions import Statement, WriteStatement

MAX_ROWS = 64
"""Larger batches are rare, and each number of rows is compiled to a statement of its own."""
_UNIQUE, _NOT_FOUND = "23505", "HR404"

_REQUIRE_ROWS_SQL = "handrail_found((SELECT count(*) FROM {}), {})"
_AFTER_PART_SQL = " FROM (SELECT count(*) FROM {}) AS first"

BatchShape = tuple[tuple[Statement, int, bool], ...]
"""For each write: the statement, its number of rows, and whether each row must be found."""


def can_execute(writes: Sequence[WriteStatement]) -> bool:
    """Return whether the writes fit into one statement: few rows, and no write changes a row of another one.

    All parts of a CTE see the same snapshot. A textual statement must be a SELECT of functions.
    """
    tables = Counter(write.table for write in writes)
    are_updates_separate = all(tables[write.table] == 1 for write in writes if isinstance(write.statement, Update))
    are_texts_selects = all(
        w.statement.text.startswith("SELECT") for w in writes if isinstance(w.statement, TextClause)
    )
    return are_updates_separate and are_texts_selects and sum(len(write.rows) for write in writes) <= MAX_ROWS


def execute(connection: Connection, writes: Sequence[WriteStatement]) -> None:
    """Execute all writes or none, on a connection in autocommit mode.

    Raises the conflict error of a write, and DBAPIError. After a DBAPIError that reports a lost connection, the outcome
    is unknown.
    """
    shape = tuple((write.statement, len(write.rows), write.is_conditional) for write in writes)
    with wrap_psycopg_errors(connection):
        try:
            get_psycopg_connection(connection).execute(_compile_batch(shape), _parameters(writes))
        except Error as error:
            if (conflict_error := _find_conflict_error(error, writes)) is not None:
                raise conflict_error from error
            raise


def _find_conflict_error(error: Error, writes: Sequence[WriteStatement]) -> Exception | None:
    if error.sqlstate == _NOT_FOUND:
        conflict_error = writes[int(error.diag.message_primary or 0)].conflict_error
    elif error.sqlstate == _UNIQUE:
        conflict_error = next(
            (w.conflict_error for w in writes if w.conflict_error and w.table == error.diag.table_name), None
        )
    else:
        conflict_error = None
    return conflict_error() if conflict_error else None


def _parameters(writes: Sequence[WriteStatement]) -> dict[str, Any]:
    return {
        f"{number}_{n}_{name}": value
        for number, write in enumerate(writes)
        for n, row in enumerate(write.rows)
        for name, value in row.items()
    }


@lru_cache(maxsize=1024)
def _compile_batch(shape: BatchShape) -> bytes:
    """Return the SQL. The first part runs first, then function calls in order, then the other parts in any order.

    The thread's row is locked by the first part, so a job is not deferred before its thread is locked, and the loser of
    a race gets the conflict error of the first part.
    """
    parts, calls = dict[str, str](), list[str]()
    for number, (statement, rows, conditional) in enumerate(shape):
        if isinstance(statement, TextClause):
            calls += [_row_sql(statement, number, n).removeprefix("SELECT ") for n in range(rows)]
        else:
            statement_parts = dict(_parts(statement, number, rows))
            parts |= statement_parts
            calls += [_REQUIRE_ROWS_SQL.format(part, number) for part in statement_parts if conditional]
    ctes = ", ".join(f"{name} AS ({part} RETURNING 1)" for name, part in parts.items())
    query = f"SELECT {', '.join(calls) or '1'}"
    return (f"WITH {ctes} {query}{_AFTER_PART_SQL.format(next(iter(parts)))}" if parts else query).encode()


def _parts(statement: Statement, number: int, rows: int) -> Iterator[tuple[str, str]]:
    """Yield name and SQL of the parts: all rows of an insert are one part, each row of another statement is one."""
    if isinstance(statement, Insert):
        into, _, values = _statement_sql(statement).partition(" VALUES ")
        yield f"w{number}_0", f"{into} VALUES " + ", ".join(_number_parameters(values, number, n) for n in range(rows))
    else:
        yield from ((f"w{number}_{n}", _row_sql(statement, number, n)) for n in range(rows))


def _row_sql(statement: Statement, number: int, n: int) -> str:
    return _number_parameters(_statement_sql(statement), number, n)


def _statement_sql(statement: Statement) -> str:
    return str(statement.compile(dialect=DIALECT))


def _number_parameters(sql: str, number: int, n: int) -> str:
    """Return the SQL with the parameter names of row `n` of a write."""
    return re.sub(r"%\((\w+)\)s", rf"%({number}_{n}_\1)s", sql)
