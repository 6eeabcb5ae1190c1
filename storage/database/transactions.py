"""Transactions as plain functions, and their writes, collected before any is executed."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Connection

from agents.core.errors import HandrailError
from storage.database.tables import InsertRow, Statement


@dataclass
class PendingTransaction:
    """A function, and the future of its caller."""

    function: Callable[..., Any]
    on_commit: Callable[[Any], None] | None
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = None

    @classmethod
    def create(cls, function: Callable[..., Any], on_commit: Callable[[Any], None] | None) -> "PendingTransaction":
        loop = asyncio.get_running_loop()
        return cls(function, on_commit, loop, loop.create_future())

    def resolve(self) -> None:
        """Resolve the future, on the loop. `on_commit` is called after every commit, even if the caller was cancelled.

        An error of `on_commit` goes to this caller, so that it does not affect other transactions of the group.
        """
        if self.error is None and self.on_commit is not None:
            try:
                self.on_commit(self.result)
            except Exception as error:  # noqa: BLE001 - an error of the callback belongs to its caller
                self.error = error
        if self.future.done():
            return
        if self.error is None:
            self.future.set_result(self.result)
        else:
            self.future.set_exception(self.error)


T = TypeVar("T")
Row = Mapping[str, Any]


@dataclass(frozen=True)
class WriteStatement:
    """One SQL statement and its parameter rows.

    Rendered statements are cached for the life of the process, so define statements at module level.
    `conflict_error` is raised if the key of an inserted row is taken, or if a row to change is not found.
    """

    statement: Statement
    rows: tuple[Row, ...]
    conflict_error: type[HandrailError] | None = None

    @property
    def is_conditional(self) -> bool:
        """Return whether each row must be found."""
        return self.conflict_error is not None and not isinstance(self.statement, InsertRow)

    def check_row_count(self, row_count: int) -> None:
        """Raise `conflict_error` unless each row was found."""
        if self.is_conditional and self.conflict_error is not None and row_count < len(self.rows):
            raise self.conflict_error


@dataclass
class WriteBatch:
    """Writes collected by a function. They are executed after it has returned, so it cannot read them."""

    statements: list[WriteStatement] = field(default_factory=list)

    def add(self, statement: Statement, rows: Iterable[Row], conflict_error: type[HandrailError] | None = None) -> None:
        if row_tuple := tuple(rows):
            self.statements.append(WriteStatement(statement, row_tuple, conflict_error))


BatchFunction = Callable[[Connection, WriteBatch], T]
"""Reads from the connection, and adds its writes to the batch instead of executing them."""
BatchExecutor = Callable[[Connection, WriteBatch], None]


def as_transaction(function: BatchFunction[T], execute: BatchExecutor) -> Callable[[Connection], T]:
    """Return a function for a transaction: it calls `function` and then executes the collected writes."""
    return partial(_run_and_execute, function, execute)


def _run_and_execute(function: BatchFunction[T], execute: BatchExecutor, connection: Connection) -> T:
    writes = WriteBatch()
    result = function(connection, writes)
    execute(connection, writes)
    return result
