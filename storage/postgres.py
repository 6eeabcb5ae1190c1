"""PostgreSQL: transactions on pooled psycopg connections, beside those of other processes.

Tried against psycopg's own async: a thread that waits in C costs less than an event loop that waits in Python
(docs/adr/0015).
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Self

from psycopg.types.string import StrDumperUnknown
from sqlalchemy import URL, Connection, Engine, create_engine, event, exc, make_url

from agents.errors import StoreUnavailable

MOST_CONNECTIONS = 8
"""Connections, and transactions at the same time; each has a thread."""
MOST_WAITING = 500
"""Transactions that may wait for a connection; another one is told to come back."""
PATIENCE = 5.0
"""Seconds to wait for a connection, for a lock, and in the middle of a transaction."""

_CONNECT = {"connect_timeout": 5, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}

Work = Callable[[Connection], Any]


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


@dataclass
class Pool:
    """Runs functions over a Connection, each in a transaction of its own, several at once.

    A function must be able to run again: a connection that is lost before the commit is replaced, once. What was lost
    while committing is not tried again here: nobody knows whether it was kept, so the caller has to look.
    """

    engine: Engine
    patience: float = PATIENCE
    _single: Engine = field(init=False)
    _threads: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(MOST_CONNECTIONS, thread_name_prefix="database")
    )
    _slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MOST_CONNECTIONS))
    _under_way: set[asyncio.Task[Any]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._single = self.engine.execution_options(isolation_level="AUTOCOMMIT")

    @classmethod
    def to(cls, url: str, patience: float = PATIENCE) -> Self:
        options = {**_CONNECT, "options": _settings(patience), "application_name": "handrail"}
        engine = create_engine(psycopg_url(url), pool_size=MOST_CONNECTIONS, max_overflow=0, connect_args=options)
        event.listen(engine, "connect", _prepare)
        return cls(engine, patience)

    async def run(self, work: Work, after: Callable[[Any], None] | None) -> Any:
        return await self._in_a_thread(partial(_transaction, self.engine, work), after)

    async def read(self, work: Work) -> Any:
        """Every statement stands alone: two journeys to the database less for what is mostly one statement."""
        return await self._in_a_thread(partial(_reading, self._single, work), None)

    async def stop(self) -> None:
        """Finish what is under way, then close all connections."""
        if self._under_way:
            await asyncio.wait(self._under_way)
        self._threads.shutdown()
        self.engine.dispose()

    async def _in_a_thread(self, act: Callable[[], Any], after: Callable[[Any], None] | None) -> Any:
        """It goes on when the caller has gone: the middle of a transaction is no place to stop."""
        if len(self._under_way) >= MOST_CONNECTIONS + MOST_WAITING:
            raise StoreUnavailable("too much is waiting for the database: try again in a moment")
        task = asyncio.create_task(self._told(partial(_attempted, act), after))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return await asyncio.shield(task)

    async def _told(self, act: Callable[[], Any], after: Callable[[Any], None] | None) -> Any:
        await self._slot()
        try:
            result = await asyncio.get_running_loop().run_in_executor(self._threads, act)
        finally:
            self._slots.release()
        if after is not None:
            after(result)
        return result

    async def _slot(self) -> None:
        try:
            async with asyncio.timeout(self.patience if self._slots.locked() else None):
                await self._slots.acquire()
        except TimeoutError as error:
            raise exc.TimeoutError from error


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


def _transaction(engine: Engine, work: Work) -> Any:
    with engine.connect() as connection:
        result = _before_commit(connection, work)
        connection.commit()
        return result


def _reading(engine: Engine, work: Work) -> Any:
    with engine.connect() as connection:
        return _before_commit(connection, work)


def _before_commit(connection: Connection, work: Work) -> Any:
    try:
        return work(connection)
    except exc.DBAPIError as error:
        if _nothing_written(error):
            raise _LostBeforeCommit(error) from error
        raise


class _Holdable(StrDumperUnknown):
    """Text as PostgreSQL can hold it: it knows no NUL. Ids and names with one are nobody's; contents are JSON."""

    def dump(self, obj: str) -> bytes:
        return obj.replace("\0", "\N{REPLACEMENT CHARACTER}").encode()


def _prepare(connection: Any, _record: Any) -> None:
    connection.adapters.register_dumper(str, _Holdable)


def _settings(patience: float) -> str:
    milliseconds = round(patience * 1000)
    return (
        f"-c statement_timeout={2 * milliseconds} -c lock_timeout={milliseconds} "
        f"-c idle_in_transaction_session_timeout={milliseconds}"
    )


def _nothing_written(error: exc.DBAPIError) -> bool:
    sqlstate = getattr(error.orig, "sqlstate", None)
    return error.connection_invalidated or sqlstate in ("40P01", "40001")  # deadlock, serialization failure
