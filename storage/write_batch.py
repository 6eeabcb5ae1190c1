"""The writes of one commit, gathered before any is made: so PostgreSQL can be handed all of them at once."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Connection, Delete, Insert, TextClause, Update, exc

from agents.errors import HandrailError

T = TypeVar("T")
Row = Mapping[str, Any]
Statement = Insert | Update | Delete | TextClause


@dataclass(frozen=True)
class WriteStatement:
    """One statement, made for each row. It is kept for ever once compiled: have one for each kind of write, not each.

    `refused` is raised where a row that is inserted has a taken key, or one that is updated is not there any more.
    """

    statement: Statement
    rows: tuple[Row, ...]
    conflict_error: type[HandrailError] | None = None

    @property
    def table(self) -> str | None:
        """What it writes to; a statement in text does not tell."""
        return None if isinstance(self.statement, TextClause) else str(self.statement.table)

    @property
    def is_conditional(self) -> bool:
        """Whether it matters how many rows it finds."""
        return self.conflict_error is not None and not isinstance(self.statement, Insert)

    def check_row_count(self, row_count: int) -> None:
        """Raises `refused` unless each row was found."""
        if self.is_conditional and self.conflict_error is not None and row_count < len(self.rows):
            raise self.conflict_error


@dataclass
class WriteBatch:
    """What a function wants written. Nothing is before it has returned: it cannot read what it wrote."""

    statements: list[WriteStatement] = field(default_factory=list)

    def add(self, statement: Statement, rows: Iterable[Row], conflict_error: type[HandrailError] | None = None) -> None:
        if found := tuple(rows):
            self.statements.append(WriteStatement(statement, found, conflict_error))


BatchFunction = Callable[[Connection, WriteBatch], T]
Making = Callable[[Connection, WriteBatch], None]


def as_transaction(function: BatchFunction[T], make: Making) -> Callable[[Connection], T]:
    """The same in a transaction: what the function gathers is written when it has returned."""
    return partial(_run_and_execute, function, make)


def _run_and_execute(function: BatchFunction[T], make: Making, connection: Connection) -> T:
    writes = WriteBatch()
    result = function(connection, writes)
    make(connection, writes)
    return result


def execute_all(connection: Connection, writes: WriteBatch) -> None:
    """One after the other, in a transaction somebody else ends. Raises their refusals."""
    for write in writes.statements:
        _execute(connection, write)


def _execute(connection: Connection, write: WriteStatement) -> None:
    rows = [dict(row) for row in write.rows]
    try:
        made = connection.execute(write.statement, rows if len(rows) > 1 else rows[0])
    except exc.IntegrityError as error:
        if write.conflict_error is None:
            raise
        raise write.conflict_error from error
    write.check_row_count(made.rowcount)
