"""PostgreSQL: transactions on pooled psycopg connections, beside those of other processes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self

from psycopg.types.string import StrDumperUnknown
from sqlalchemy import URL, Connection, Engine, create_engine, event, exc, make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from agents.errors import StoreUnavailable

MOST_CONNECTIONS = 10
MOST_WAITING = 500
"""Transactions that may wait for a connection; another one is told to come back."""
PATIENCE = 5.0
"""Seconds to wait for a connection, for a lock, and in the middle of a transaction."""

_CONNECT = {"connect_timeout": 5, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}


def is_postgres(url: str) -> bool:
    """Whether the URL names a PostgreSQL database. Raises what SQLAlchemy raises for one that is no URL."""
    return make_url(url).get_backend_name() in ("postgresql", "postgres")


def psycopg_url(url: str) -> URL:
    """The URL with the driver we use: people write `postgresql://` or `postgres://`."""
    return make_url(url).set(drivername="postgresql+psycopg")


def conninfo(url: str) -> str:
    """The URL as libpq reads it."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def postgres_engine(url: str) -> Engine:
    """An engine for migrations and for looking at a database: without limits on how long a statement takes."""
    return create_engine(psycopg_url(url), connect_args=_CONNECT)


class _LostBeforeCommit(exc.SQLAlchemyError):
    """The connection went away, or the database chose us to end a deadlock: nothing was written."""

    def __init__(self, error: exc.DBAPIError) -> None:
        super().__init__(str(error.orig))
        self.orig = error.orig


@dataclass
class Pool:
    """Runs functions over a Connection, each in a transaction of its own, several at once.

    A function must be able to run again: a connection that is lost before the commit is replaced, once. What was lost
    while committing is not tried again here: nobody knows whether it was kept, so the caller has to look.
    """

    engine: AsyncEngine
    patience: float = PATIENCE
    _slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MOST_CONNECTIONS))
    _under_way: set[asyncio.Task[Any]] = field(default_factory=set)

    @classmethod
    def to(cls, url: str, patience: float = PATIENCE) -> Self:
        options = {**_CONNECT, "options": _settings(patience), "application_name": "handrail"}
        engine = create_async_engine(psycopg_url(url), pool_size=MOST_CONNECTIONS, max_overflow=0, connect_args=options)
        event.listen(engine.sync_engine, "connect", _prepare)
        return cls(engine, patience)

    async def run(self, work: Callable[[Connection], Any], after: Callable[[Any], None] | None) -> Any:
        """The transaction goes on when the caller has gone: half-way is no place to stop."""
        if len(self._under_way) >= MOST_CONNECTIONS + MOST_WAITING:
            raise StoreUnavailable("too much is waiting for the database: try again in a moment")
        task = asyncio.create_task(self._attempted(work, after))
        self._under_way.add(task)
        task.add_done_callback(self._done)
        return await asyncio.shield(task)

    async def stop(self) -> None:
        """Finish what is under way, then close all connections."""
        if self._under_way:
            await asyncio.wait(self._under_way)
        await self.engine.dispose()

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # looked at: the caller may have gone

    async def _attempted(self, work: Callable[[Connection], Any], after: Callable[[Any], None] | None) -> Any:
        try:
            result = await self._transaction(work)
        except _LostBeforeCommit:
            result = await self._transaction(work)
        if after is not None:
            after(result)
        return result

    async def _transaction(self, work: Callable[[Connection], Any]) -> Any:
        async with self._connection() as connection:
            try:
                result = await connection.run_sync(work)
            except exc.DBAPIError as error:
                if _nothing_written(error):
                    raise _LostBeforeCommit(error) from error
                raise
            await connection.commit()
            return result

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[AsyncConnection]:
        try:
            await asyncio.wait_for(self._slots.acquire(), self.patience)
        except TimeoutError as error:
            raise exc.TimeoutError from error
        try:
            async with self.engine.connect() as connection:
                yield connection
        finally:
            self._slots.release()


class _Holdable(StrDumperUnknown):
    """Text as PostgreSQL can hold it: it knows no NUL. Ids and names with one are nobody's; contents are JSON."""

    def dump(self, obj: str) -> bytes:
        return obj.replace("\0", "\N{REPLACEMENT CHARACTER}").encode()


def _prepare(connection: Any, _record: Any) -> None:
    connection.driver_connection.adapters.register_dumper(str, _Holdable)


def _settings(patience: float) -> str:
    milliseconds = round(patience * 1000)
    return (
        f"-c statement_timeout={2 * milliseconds} -c lock_timeout={milliseconds} "
        f"-c idle_in_transaction_session_timeout={milliseconds}"
    )


def _nothing_written(error: exc.DBAPIError) -> bool:
    sqlstate = getattr(error.orig, "sqlstate", None)
    return error.connection_invalidated or sqlstate in ("40P01", "40001")  # deadlock, serialization failure
