"""Transactions on PostgreSQL: several at once, beside those of other processes.

Tried against psycopg's own async: a thread that waits in C costs less than an event loop that waits in Python
(docs/adr/0015).
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Self

from sqlalchemy import Connection, exc

from agents.errors import StoreUnavailable
from storage import one_statement
from storage.connections import MOST, PATIENCE, Connections, transaction
from storage.turns import Turn
from storage.writes import Writes, Writing, carrying_out, make

MOST_WAITING = 500
"""Functions that may wait for a connection; another one is told to come back."""

Work = Callable[[Connection], Any]


@dataclass
class Pool:
    """Runs functions over a Connection, each in a transaction of its own, each in a thread.

    A function must be able to run again: a connection that is lost before the commit is replaced, once. What was lost
    while committing is not tried again here: nobody knows whether it was kept, so the caller has to look.
    """

    connections: Connections
    patience: float = PATIENCE
    _threads: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(MOST, thread_name_prefix="database")
    )
    _under_way: int = 0

    @classmethod
    def to(cls, url: str, patience: float = PATIENCE) -> Self:
        return cls(Connections.to(url, patience), patience)

    async def run(self, work: Work, after: Callable[[Any], None] | None) -> Any:
        return await self._in_turn(partial(_transaction, self.connections, work), after)

    async def read(self, work: Work) -> Any:
        """Every statement stands alone: two journeys to the database less for what is mostly one statement."""
        return await self._in_turn(partial(_reading, self.connections, work), None)

    async def write(self, work: Writing[Any], after: Callable[[Any], None] | None, *, locking: bool) -> Any:
        """All writes in one journey, unless what was read has to stay as it is meanwhile."""
        if locking:
            return await self.run(carrying_out(work, make), after)
        return await self._in_turn(partial(_writing, self.connections, work), after)

    async def stop(self) -> None:
        """Finish what is under way, then close all connections."""
        await asyncio.get_running_loop().run_in_executor(None, self._threads.shutdown)
        self.connections.close()

    async def _in_turn(self, act: Callable[[], Any], after: Callable[[Any], None] | None) -> Any:
        """It goes on when the caller has gone: the middle of a transaction is no place to stop."""
        if self._under_way >= MOST + MOST_WAITING:
            raise StoreUnavailable("too much is waiting for the database: try again in a moment")
        turn = Turn.of(partial(_attempted, act), after)
        taken = self._threads.submit(self._take, turn)
        if self._under_way >= MOST:
            turn.loop.call_later(self.patience, self._give_up, turn, taken)
        self._under_way += 1
        return await turn.future

    def _take(self, turn: Turn) -> None:
        try:
            turn.result = turn.work()
        except BaseException as error:  # noqa: BLE001 - whatever it is, whoever waits must be told
            turn.error = error
        turn.loop.call_soon_threadsafe(self._ended, turn)

    def _give_up(self, turn: Turn, taken: "Future[None]") -> None:
        if taken.cancel():
            turn.error = exc.TimeoutError()
            self._ended(turn)

    def _ended(self, turn: Turn) -> None:
        self._under_way -= 1
        turn.report()


def _attempted(act: Callable[[], Any]) -> Any:
    try:
        return act()
    except _LostBeforeCommit:
        pass
    try:
        return act()
    except _LostBeforeCommit as error:
        raise error.why from error


class _LostBeforeCommit(Exception):
    """The connection went away, or the database chose us to end a deadlock: nothing was written."""

    def __init__(self, why: exc.DBAPIError) -> None:
        super().__init__()
        self.why = why


def _transaction(connections: Connections, work: Work) -> Any:
    with connections.lent() as connection, transaction(connection):
        return _before_commit(connection, work)


def _reading(connections: Connections, work: Work) -> Any:
    with connections.lent() as connection:
        return _before_commit(connection, work)


def _writing(connections: Connections, work: Writing[Any]) -> Any:
    with connections.lent() as connection:
        writes = Writes()
        result = _before_commit(connection, lambda found: work(found, writes))
        if writes.gathered:
            _committed(connection, writes)
        return result


def _committed(connection: Connection, writes: Writes) -> None:
    if one_statement.fits(writes.gathered):
        _at_once(connection, writes)
    else:
        with transaction(connection):
            _before_commit(connection, partial(make, writes=writes))


def _at_once(connection: Connection, writes: Writes) -> None:
    try:
        one_statement.commit(connection, writes.gathered)
    except exc.DBAPIError as error:
        if _chosen_to_end(error):
            raise _LostBeforeCommit(error) from error
        raise


def _before_commit(connection: Connection, work: Work) -> Any:
    try:
        return work(connection)
    except exc.DBAPIError as error:
        if error.connection_invalidated or _chosen_to_end(error):
            raise _LostBeforeCommit(error) from error
        raise


def _chosen_to_end(error: exc.DBAPIError) -> bool:
    return getattr(error.orig, "sqlstate", None) in ("40P01", "40001")  # deadlock, serialization failure
