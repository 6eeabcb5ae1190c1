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
class Write:
    """One statement, made for each row. It is kept for ever once compiled: have one for each kind of write, not each.

    `refused` is raised where a row that is inserted has a taken key, or one that is updated is not there any more.
    """

    statement: Statement
    rows: tuple[Row, ...]
    refused: type[HandrailError] | None = None

    @property
    def table(self) -> str | None:
        """What it writes to; a statement in text does not tell."""
        return None if isinstance(self.statement, TextClause) else str(self.statement.table)

    @property
    def conditional(self) -> bool:
        """Whether it matters how many rows it finds."""
        return self.refused is not None and not isinstance(self.statement, Insert)

    def check(self, found: int) -> None:
        """Raises `refused` unless each row was found."""
        if self.conditional and self.refused is not None and found < len(self.rows):
            raise self.refused


@dataclass
class Writes:
    """What a function wants written. Nothing is before it has returned: it cannot read what it wrote."""

    gathered: list[Write] = field(default_factory=list)

    def add(self, statement: Statement, rows: Iterable[Row], refused: type[HandrailError] | None = None) -> None:
        if found := tuple(rows):
            self.gathered.append(Write(statement, found, refused))


Writing = Callable[[Connection, Writes], T]
Making = Callable[[Connection, Writes], None]


def carrying_out(work: Writing[T], make: Making) -> Callable[[Connection], T]:
    """The same in a transaction: what the function gathers is written when it has returned."""
    return partial(_carried_out, work, make)


def _carried_out(work: Writing[T], make: Making, connection: Connection) -> T:
    writes = Writes()
    result = work(connection, writes)
    make(connection, writes)
    return result


def make(connection: Connection, writes: Writes) -> None:
    """One after the other, in a transaction somebody else ends. Raises their refusals."""
    for write in writes.gathered:
        _make(connection, write)


def _make(connection: Connection, write: Write) -> None:
    rows = [dict(row) for row in write.rows]
    try:
        made = connection.execute(write.statement, rows if len(rows) > 1 else rows[0])
    except exc.IntegrityError as error:
        if write.refused is None:
            raise
        raise write.refused from error
    write.check(made.rowcount)
