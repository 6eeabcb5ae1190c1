"""System snapshot: the content of the database and of the journals, read once, for the checker."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple, Self

from sqlalchemy import Connection, Row, create_engine, func, select

from storage.database.postgres import is_postgres, psycopg_url
from storage.database.tables import ConversationRow, EventRow, InboxRow, OutboxRow, RequestRow, ThreadRow
from storage.replay import replay_on_connection
from tests.crashes.journals import Journals

_thread, _event, _request, _outbox, _inbox, _conversation = (
    kind.__table__ for kind in (ThreadRow, EventRow, RequestRow, OutboxRow, InboxRow, ConversationRow)
)


class LoggedRow(NamedTuple):
    """One event as stored."""

    thread_id: str
    seq: int
    type: str
    type_version: int
    at: datetime
    actor: str
    data_json: str

    @property
    def data(self) -> Any:
        return json.loads(self.data_json)


@dataclass(frozen=True)
class SystemSnapshot:
    """Content of a database and its journals. `earlier` is a previous snapshot of the same database, if any."""

    threads: Mapping[str, Row[Any]]
    logs: Mapping[str, Sequence[LoggedRow]]
    requests: Mapping[str, Row[Any]]
    outbox: Sequence[Row[Any]]
    inbox: Sequence[Row[Any]]
    conversations: Sequence[Row[Any]]
    replay_matches: Mapping[str, bool]
    side_effects: Sequence[Mapping[str, Any]]
    sent_messages: Sequence[Mapping[str, Any]]
    http_responses: Sequence[Mapping[str, Any]]
    earlier: "SystemSnapshot | None" = None

    @classmethod
    def take(cls, url: str, journals: Journals, earlier: "SystemSnapshot | None" = None) -> Self:
        """Read the journals of responses and side effects first: the database must hold their causes by then."""
        responses, side_effects = journals.http_responses.read_entries(), journals.side_effects.read_entries()
        with snapshot_connection(url) as connection:
            threads = {row.id: row for row in connection.execute(select(_thread))}
            return cls(
                threads=threads,
                logs=_logs(connection),
                requests={row.id: row for row in connection.execute(select(_request))},
                outbox=connection.execute(select(_outbox)).all(),
                inbox=connection.execute(select(_inbox)).all(),
                conversations=connection.execute(select(_conversation)).all(),
                replay_matches={thread: _replay_matches(connection, thread) for thread in threads},
                side_effects=side_effects,
                sent_messages=journals.sent_messages.read_entries(),
                http_responses=responses,
                earlier=earlier and replace(earlier, earlier=None),
            )

    @property
    def events(self) -> Iterator[LoggedRow]:
        for log in self.logs.values():
            yield from log

    def events_of_type(self, *types: str) -> Iterator[LoggedRow]:
        return (event for event in self.events if event.type in types)


def _replay_matches(connection: Connection, thread_id: str) -> bool:
    """Return whether the stored projection equals the folded log; False if the log cannot be folded."""
    try:
        return replay_on_connection(connection, thread_id).is_match
    except Exception:  # noqa: BLE001 - any error means that it does not match
        return False


@contextmanager
def snapshot_connection(url: str) -> Iterator[Connection]:
    """Yield a connection whose reads see one moment, while other processes use the database."""
    engine = (
        create_engine(psycopg_url(url), isolation_level="REPEATABLE READ") if is_postgres(url) else create_engine(url)
    )
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def _logs(connection: Connection) -> dict[str, list[LoggedRow]]:
    logs: dict[str, list[LoggedRow]] = {}
    for row in connection.execute(select(_event).order_by(_event.c.thread_id, _event.c.seq)):
        logged = LoggedRow(row.thread_id, row.seq, row.type, row.v, row.at, row.actor, row.data)
        logs.setdefault(logged.thread_id, []).append(logged)
    return logs


def unfinished_thread_ids(connection: Connection) -> list[str]:
    """Return the threads that wait for a process, a person or a timer, or have messages in the outbox."""
    ended = ("done", "failed", "cancelled")
    query = select(_thread.c.id).where(_thread.c.unfinished | _thread.c.status.not_in(ended))
    found = [*connection.execute(query).scalars(), *connection.execute(select(_outbox.c.thread_id)).scalars()]
    connection.rollback()
    return found


def count_events(connection: Connection, event_type: str) -> int:
    """Return the number of events of a type."""
    found: int = connection.execute(select(func.count()).where(_event.c.type == event_type)).scalar_one()
    connection.rollback()
    return found
