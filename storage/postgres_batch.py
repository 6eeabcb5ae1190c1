"""All writes of a commit as one statement for PostgreSQL: one question, one answer, and no transaction to begin or end.

A thread that sends six has to get hold of the interpreter and of a core again after each of them, while the server
holds its locks and waits. See https://www.postgresql.org/docs/current/queries-with.html#QUERIES-WITH-MODIFYING
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from psycopg import Error
from sqlalchemy import Connection, Insert, TextClause, Update

from storage.compiled_queries import DIALECT
from storage.connections import psycopg_connection, wrap_driver_errors
from storage.write_batch import Statement, WriteStatement

MAX_ROWS = 64
"""More are rare, and each number of them is a statement of its own."""
_UNIQUE, _NOT_FOUND = "23505", "HR404"

_REQUIRE_ROWS_SQL = "handrail_found((SELECT count(*) FROM {}), {})"
_AFTER_PART_SQL = " FROM (SELECT count(*) FROM {}) AS first"

BatchShape = tuple[tuple[Statement, int, bool], ...]
"""Of each write the statement, the number of its rows, and whether each of them has to be there."""


def can_execute(writes: Sequence[WriteStatement]) -> bool:
    """Whether they are few enough, and none of them changes what another one wrote: all see what was there before.

    A statement in text has to be a question: only functions are called there.
    """
    tables = Counter(write.table for write in writes)
    alone = all(tables[write.table] == 1 for write in writes if isinstance(write.statement, Update))
    called = all(w.statement.text.startswith("SELECT") for w in writes if isinstance(w.statement, TextClause))
    return alone and called and sum(len(write.rows) for write in writes) <= MAX_ROWS


def execute(connection: Connection, writes: Sequence[WriteStatement]) -> None:
    """Make all of them, or none, on a connection where every statement stands alone.

    Raises what a write has for its refusal, and DBAPIError: where that tells of a lost connection, nobody knows
    whether they were kept.
    """
    shape = tuple((write.statement, len(write.rows), write.is_conditional) for write in writes)
    with wrap_driver_errors(connection):
        try:
            psycopg_connection(connection).execute(_compile_batch(shape), _parameters(writes))
        except Error as error:
            if (refused := _conflict_error(error, writes)) is not None:
                raise refused from error
            raise


def _conflict_error(error: Error, writes: Sequence[WriteStatement]) -> Exception | None:
    if error.sqlstate == _NOT_FOUND:
        refused = writes[int(error.diag.message_primary or 0)].conflict_error
    elif error.sqlstate == _UNIQUE:
        refused = next(
            (w.conflict_error for w in writes if w.conflict_error and w.table == error.diag.table_name), None
        )
    else:
        refused = None
    return refused() if refused else None


def _parameters(writes: Sequence[WriteStatement]) -> dict[str, Any]:
    return {
        f"{number}_{n}_{name}": value
        for number, write in enumerate(writes)
        for n, row in enumerate(write.rows)
        for name, value in row.items()
    }


@lru_cache(maxsize=1024)
def _compile_batch(shape: BatchShape) -> bytes:
    """The first part is made first, then what is called, in order; the others are made last, in no order.

    A job that is deferred before its thread is locked might be done before there is anything to do. Who lost a race is
    told that by the first part, and not what else no longer fits.
    """
    made, called = dict[str, str](), list[str]()
    for number, (statement, rows, conditional) in enumerate(shape):
        if isinstance(statement, TextClause):
            called += [_row_sql(statement, number, n).removeprefix("SELECT ") for n in range(rows)]
        else:
            parts = dict(_parts(statement, number, rows))
            made |= parts
            called += [_REQUIRE_ROWS_SQL.format(part, number) for part in parts if conditional]
    ways = ", ".join(f"{name} AS ({part} RETURNING 1)" for name, part in made.items())
    answer = f"SELECT {', '.join(called) or '1'}"
    return (f"WITH {ways} {answer}{_AFTER_PART_SQL.format(next(iter(made)))}" if made else answer).encode()


def _parts(statement: Statement, number: int, rows: int) -> Iterator[tuple[str, str]]:
    """Rows that are inserted go together; of others each is a part of its own. Every part has a name."""
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
    """The same with the parameters of one row of one write."""
    return re.sub(r"%\((\w+)\)s", rf"%({number}_{n}_\1)s", sql)
