"""Execute all writes of a commit on PostgreSQL: as one statement in one round trip, or one after the other.

The one statement is a common table expression that changes data (PostgreSQL manual, 7.8.4). It saves BEGIN, COMMIT and
the waits between statements, during which the server would hold its locks. For an update of a thread, an event and a
job (inserted by `handrail_defer`, a function of the database) it reads:

    WITH
    found_0 AS (SELECT 1 FROM thread WHERE id = $1 AND version = $2 FOR NO KEY UPDATE),
    ready AS (SELECT 1 WHERE EXISTS (SELECT FROM found_0)),
    write_0_0 AS (UPDATE thread SET version = $3 WHERE id = $1 AND version = $2 AND EXISTS (SELECT FROM ready)),
    write_1_0 AS (INSERT INTO event (thread_id, seq) SELECT $4, $5 FROM ready)
    SELECT EXISTS (SELECT FROM found_0), (SELECT handrail_defer($6) FROM ready)

Each `found` locks the row of a conditional write, after waiting for other writers. If one is missing, `ready` is empty,
so nothing is written and no function is called, and the returned row tells which write lost the race.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any

from psycopg import Error, IntegrityError, RawCursor
from psycopg.errors import UniqueViolation
from sqlalchemy import Connection

from storage.database.postgres_pool import get_psycopg_connection, wrap_psycopg_errors
from storage.database.tables import CallFunction, CopyRows, DeleteRow, InsertRow, Statement, UpdateRow
from storage.database.transactions import WriteBatch, WriteStatement

MAX_ROWS = 64
"""Larger batches are rare, and each number of rows is rendered to a statement of its own."""

BatchShape = tuple[tuple[Statement, int, bool], ...]
"""For each write: the statement, its number of rows, and whether each row must be found."""
ParameterKey = tuple[int, int, str]
"""The numbers of a write and of its row, and the name of a parameter."""


def can_execute_as_one(writes: WriteBatch) -> bool:
    """Return whether the writes fit into one statement: few rows, and no write reads or changes a row of another one.

    All parts of one statement see the same snapshot: none sees the rows that another part writes.
    """
    statements = [write.statement for write in writes.statements]
    tables = Counter(s.table for s in statements if not isinstance(s, CallFunction))
    are_updates_separate = all(tables[s.table] == 1 for s in statements if isinstance(s, UpdateRow))
    has_copy = any(isinstance(s, CopyRows) for s in statements)
    row_count = sum(len(write.rows) for write in writes.statements)
    return are_updates_separate and not has_copy and row_count <= MAX_ROWS


def execute_as_one(connection: Connection, writes: WriteBatch) -> None:
    """Execute all writes or none, on a connection in autocommit mode.

    Raises the conflict error of a write, and DBAPIError. After a DBAPIError that reports a lost connection, the outcome
    is unknown.
    """
    shape = tuple((write.statement, len(write.rows), write.is_conditional) for write in writes.statements)
    sql, parameter_keys = _render_batch(shape)
    values = [writes.statements[number].rows[n][name] for number, n, name in parameter_keys]
    with wrap_psycopg_errors(connection):
        try:
            row = RawCursor(get_psycopg_connection(connection)).execute(sql, values).fetchone()
        except UniqueViolation as error:
            _raise_conflict_error(error, writes.statements)
            raise
    _check_found(row or (), writes.statements)


def _raise_conflict_error(error: Error, writes: Sequence[WriteStatement]) -> None:
    """Raise the conflict error of the first insert into the table of a taken key, if it has one."""
    for write in writes:
        statement = write.statement
        if (
            isinstance(statement, InsertRow)
            and statement.table == error.diag.table_name
            and not statement.skips_existing
        ):
            if write.conflict_error is not None:
                raise write.conflict_error from error
            return


def _check_found(is_found_flags: Sequence[Any], writes: Sequence[WriteStatement]) -> None:
    """Raise the conflict error of the first conditional write for which a row was not found."""
    conditional_rows = (write for write in writes if write.is_conditional for _ in write.rows)
    for write, is_found in zip(conditional_rows, is_found_flags, strict=False):  # results of functions follow
        if not is_found and write.conflict_error is not None:
            raise write.conflict_error


@dataclass
class _Parameters(dict[str, str]):
    """Numbers the parameters of one row after those of earlier rows: `$1`, `$2` …, in the order of their first use."""

    offset: int

    def __missing__(self, name: str) -> str:
        self[name] = f"${self.offset + len(self) + 1}"
        return self[name]


@dataclass
class _BatchSql:
    """The parts of the one statement, and the keys of its parameters in the order of their numbers."""

    found: dict[str, str] = field(default_factory=dict)
    changes: dict[str, str] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    parameter_keys: list[ParameterKey] = field(default_factory=list)

    def add_row(self, statement: Statement, number: int, n: int, *, is_conditional: bool) -> None:
        """Add row `n` of write `number`."""
        parameters = _Parameters(len(self.parameter_keys))
        if isinstance(statement, CallFunction):
            self.calls.append(f"(SELECT {statement.call.format_map(parameters)} FROM ready)")
        else:
            if is_conditional and isinstance(statement, UpdateRow | DeleteRow):
                self.found[f"found_{number}_{n}"] = _select_for_update(statement, parameters)
            self.changes[f"write_{number}_{n}"] = _change_when_ready(statement, parameters)
        self.parameter_keys += [(number, n, name) for name in parameters]

    def render(self) -> str:
        are_found = [f"EXISTS (SELECT FROM {name})" for name in self.found]
        ready = f"SELECT 1 WHERE {' AND '.join(are_found) or 'true'}"
        expressions = {**self.found, "ready": ready, **self.changes}
        ctes = ",\n".join(f"{name} AS ({sql})" for name, sql in expressions.items())
        return f"WITH {ctes}\nSELECT {', '.join((*are_found, *self.calls)) or '1'}"


@lru_cache(maxsize=1024)
def _render_batch(shape: BatchShape) -> tuple[bytes, tuple[ParameterKey, ...]]:
    """Return the one statement for writes of this shape, and the keys of its parameters."""
    batch = _BatchSql()
    for number, (statement, row_count, is_conditional) in enumerate(shape):
        for n in range(row_count):
            batch.add_row(statement, number, n, is_conditional=is_conditional)
    return batch.render().encode(), tuple(batch.parameter_keys)


def _select_for_update(statement: UpdateRow | DeleteRow, parameters: _Parameters) -> str:
    lock = "FOR NO KEY UPDATE" if isinstance(statement, UpdateRow) else "FOR UPDATE"
    return f"SELECT 1 FROM {statement.table} WHERE {statement.condition} {lock}".format_map(parameters)


def _change_when_ready(statement: Statement, parameters: _Parameters) -> str:
    """Return the SQL of an insert, update or delete that does nothing while `ready` is empty."""
    if isinstance(statement, InsertRow):
        return statement.render_from("SELECT {} FROM ready", parameters)
    return f"{statement.render(parameters)} AND EXISTS (SELECT FROM ready)"


def execute_in_order(connection: Connection, writes: WriteBatch) -> None:
    """Execute the statements in order, in the caller's transaction. Raises a conflict error, and DBAPIError."""
    with wrap_psycopg_errors(connection):
        for write in writes.statements:
            _execute(RawCursor(get_psycopg_connection(connection)), write)


def _execute(cursor: RawCursor[Any], write: WriteStatement) -> None:
    sql, names = _render_statement(write.statement)
    rows = [[row[name] for name in names] for row in write.rows]
    try:
        cursor.executemany(sql, rows) if len(rows) > 1 else cursor.execute(sql, rows[0])
    except IntegrityError as error:
        if write.conflict_error is None:
            raise
        raise write.conflict_error from error
    write.check_row_count(cursor.rowcount)


@cache
def _render_statement(statement: Statement) -> tuple[bytes, tuple[str, ...]]:
    """Return the SQL of a statement, and the names of its parameters in the order of their numbers."""
    parameters = _Parameters(0)
    return statement.render(parameters).encode(), tuple(parameters)
