"""Tables, and the SQL of writes, written once for each kind of write.

Events are the source of truth; all other rows are folded from them or wait for other systems. In a statement `{name}`
marks a parameter; each database spells it in its own way.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Column, DateTime, Dialect, Index, LargeBinary, Text, TypeDecorator, UniqueConstraint, false, text
from sqlmodel import Field, SQLModel


class UtcTime(TypeDecorator[datetime]):
    """Column type for an aware datetime. SQLite stores no time zone, so values are converted to UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's signature
        return value if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's signature
        return value if value is None or value.tzinfo else value.replace(tzinfo=UTC)


def _time_column(*, nullable: bool = False, **options: Any) -> Any:
    return Field(sa_type=UtcTime, nullable=nullable, **options)


_HAS_WAKE_TIME = text("wake_at IS NOT NULL")
_IS_UNFINISHED = text("unfinished")
_HAS_PENDING_REPLY = text("reply_state = 'pending'")


class ThreadRow(SQLModel, table=True):
    """Projection of one thread: columns for lists and timers, and the folded state, which `replay` verifies.

    `unfinished` means that a process has something to do for the thread. `wake_at` is the time of its next timer.
    """

    __tablename__ = "thread"
    __table_args__ = (
        Index("thread_by_status", "status", "created_at"),
        Index("thread_by_wake", "wake_at", sqlite_where=_HAS_WAKE_TIME, postgresql_where=_HAS_WAKE_TIME),
        Index("thread_unfinished", "id", sqlite_where=_IS_UNFINISHED, postgresql_where=_IS_UNFINISHED),
        Index("thread_by_age", "created_at", "id"),
        Index("thread_by_requester", "requester", "created_at"),
    )

    id: str = Field(primary_key=True)
    agent: str
    requester: str | None = None
    status: str
    version: int
    unfinished: bool
    wake_at: datetime | None = _time_column(nullable=True, default=None)
    created_at: datetime = _time_column()
    updated_at: datetime = _time_column()
    state: str = Field(sa_type=Text)


class EventRow(SQLModel, table=True):
    """One event; `v` is the version of its type's fields.

    `seq` counts from 1 in each thread. The primary key prevents two writers from appending the same one.
    """

    __tablename__ = "event"

    thread_id: str = Field(primary_key=True, foreign_key="thread.id")
    seq: int = Field(primary_key=True)
    type: str
    v: int
    at: datetime = _time_column()
    actor: str
    data: str = Field(sa_type=Text)


class RequestRow(SQLModel, table=True):
    """One request. Its `code` is the short name that people type, and is never used twice."""

    __tablename__ = "request"
    __table_args__ = (Index("request_by_status", "status", "opened_at"), Index("request_by_age", "opened_at", "id"))

    id: str = Field(primary_key=True)
    code: str = Field(unique=True)
    thread_id: str = Field(foreign_key="thread.id", index=True)
    status: str
    opened_at: datetime = _time_column()
    data: str = Field(sa_type=Text)


class OutboxRow(SQLModel, table=True):
    """One message that no channel has sent yet. The row is deleted when the log records the delivery.

    `version` is the thread's version when the row was inserted. It orders messages of equal times. Cards with the same
    `digest_key` are sent in one message, at each attempt.
    """

    __tablename__ = "outbox"
    __table_args__ = (Index("outbox_by_age", "created_at"),)

    thread_id: str = Field(primary_key=True, foreign_key="thread.id")
    key: str = Field(primary_key=True)
    message: str = Field(sa_type=Text)
    created_at: datetime = _time_column()
    version: int | None = None
    digest_key: str | None = None


class InboxRow(SQLModel, table=True):
    """One dedup key of an input that arrived on a channel, and the reply to the input."""

    __tablename__ = "inbox"

    channel: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    thread_id: str = Field(index=True)
    at: datetime = _time_column()
    fingerprint: str | None = None
    reply: str | None = Field(default=None, sa_type=Text)


class ConversationRow(SQLModel, table=True):
    """The thread that is linked to a conversation of a channel. `place` holds the conversation key.

    If the key is that of a single message, such as the Message-ID of a mail, `address` is its sender or recipient on
    the other side, and `at` its time.
    """

    __tablename__ = "conversation"

    channel: str = Field(primary_key=True)
    place: str = Field(primary_key=True)
    thread_id: str = Field(foreign_key="thread.id", index=True)
    address: str | None = None
    at: datetime | None = _time_column(nullable=True, default=None)


class RawInputRow(SQLModel, table=True):
    """One input as it arrived, its processing, and the reply to it.

    `key` identifies the input on its channel. Inputs of one group are processed one at a time. At most one reply of the
    channel has a `reply_key`. `unfinished_attempts` counts the last attempts that did not end, as their process died.
    SQLite reads a column that comes after a long `content` slowly, so the index by group has all columns for a count.
    """

    __tablename__ = "raw_input"
    __table_args__ = (
        UniqueConstraint("channel", "key", name="raw_input_key"),
        UniqueConstraint("channel", "reply_key", name="raw_input_reply_key"),
        Index("raw_input_by_group", "channel", "group_name", "received_at", "id", "has_wrong_code"),
        Index("raw_input_by_state", "state", "received_at"),
        Index(
            "raw_input_by_reply", "finished_at", sqlite_where=_HAS_PENDING_REPLY, postgresql_where=_HAS_PENDING_REPLY
        ),
    )

    id: str = Field(primary_key=True)
    channel: str
    key: str
    group_name: str
    details: str = Field(sa_column=Column("metadata", Text, nullable=False))  # SQLModel reserves the name `metadata`
    received_at: datetime = _time_column()
    state: str
    attempts: int
    unfinished_attempts: int
    next_attempt_at: datetime | None = _time_column(nullable=True, default=None)
    reason: str | None = None
    reply: str | None = Field(default=None, sa_type=Text)
    reply_key: str | None = None
    reply_state: str | None = None
    finished_at: datetime | None = _time_column(nullable=True, default=None)
    keeps_key: bool = Field(default=False, sa_column_kwargs={"server_default": false()})
    has_wrong_code: bool = Field(default=False, sa_column_kwargs={"server_default": false()})
    content: bytes = Field(sa_type=LargeBinary)


class ThreadViewerRow(SQLModel, table=True):
    """One name that may see a thread: a requester, an address of its replies, or a role or person that may decide."""

    __tablename__ = "thread_viewer"
    __table_args__ = (Index("thread_viewer_by_name", "name", "thread_id"),)

    thread_id: str = Field(primary_key=True, foreign_key="thread.id")
    name: str = Field(primary_key=True)


class AnswerLinkRow(SQLModel, table=True):
    """One link to the page of a request. `token_hash` is the SHA-256 of its token, which is not stored."""

    __tablename__ = "answer_link"
    __table_args__ = (Index("answer_link_by_expiry", "expires_at"),)

    token_hash: str = Field(primary_key=True)
    request_id: str
    person: str
    address: str
    digest: str
    assurance: str
    expires_at: datetime = _time_column()
    used_at: datetime | None = _time_column(nullable=True, default=None)
    failed_codes: int = 0


class SentMessageRow(SQLModel, table=True):
    """One message that a metered channel has sent, and its price in the channel's units."""

    __tablename__ = "sent_message"
    __table_args__ = (Index("sent_message_by_address", "address", "at"), Index("sent_message_by_time", "at"))

    key: str = Field(primary_key=True)
    channel: str
    address: str
    at: datetime = _time_column()
    units: int
    request_id: str | None = None


class OptedOutRow(SQLModel, table=True):
    """One address that takes no more messages."""

    __tablename__ = "opted_out"

    address: str = Field(primary_key=True)
    at: datetime = _time_column()


class UnknownSenderRow(SQLModel, table=True):
    """One address of no known person from which messages came."""

    __tablename__ = "unknown_sender"

    address: str = Field(primary_key=True)
    first_seen_at: datetime = _time_column()
    last_seen_at: datetime = _time_column()
    count: int


class ProcessRow(SQLModel, table=True):
    """One process that shares the database, and the time of its last heartbeat."""

    __tablename__ = "process"

    id: str = Field(primary_key=True)
    role: str
    host: str
    pid: int
    queues: str
    concurrency: int
    started_at: datetime = _time_column()
    seen_at: datetime = _time_column()


class RateLimitRow(SQLModel, table=True):
    """A rate limit that all processes respect, such as that of a model. Paused threads are something else."""

    __tablename__ = "pause"

    name: str = Field(primary_key=True)
    until: datetime = _time_column()


Parameters = Mapping[str, str]
"""The spelling of each parameter, such as `:name` on SQLite and `$1` on PostgreSQL."""


@dataclass(frozen=True, eq=False)
class InsertRow:
    """Insert a row, or leave the existing one with its key if it `skips_existing`.

    The parameters have the names of the columns.
    """

    table: str
    columns: tuple[str, ...]
    skips_existing: bool = False

    def render(self, parameters: Parameters) -> str:
        return self.render_from("VALUES ({})", parameters)

    def render_from(self, source: str, parameters: Parameters) -> str:
        """Return the statement; `source` is the SQL of the row, with `{}` for the values."""
        values = ", ".join(parameters[column] for column in self.columns)
        conflict_clause = " ON CONFLICT DO NOTHING" if self.skips_existing else ""
        return f"INSERT INTO {self.table} ({', '.join(self.columns)}) {source.format(values)}{conflict_clause}"


@dataclass(frozen=True, eq=False)
class UpdateRow:
    """Update the row that meets the condition."""

    table: str
    assignments: str
    condition: str

    def render(self, parameters: Parameters) -> str:
        return f"UPDATE {self.table} SET {self.assignments} WHERE {self.condition}".format_map(parameters)


@dataclass(frozen=True, eq=False)
class DeleteRow:
    """Delete the row that meets the condition."""

    table: str
    condition: str

    def render(self, parameters: Parameters) -> str:
        return f"DELETE FROM {self.table} WHERE {self.condition}".format_map(parameters)


@dataclass(frozen=True, eq=False)
class CallFunction:
    """Call a function of the database, for its effect."""

    call: str

    def render(self, parameters: Parameters) -> str:
        return f"SELECT {self.call}".format_map(parameters)


@dataclass(frozen=True, eq=False)
class CopyRows:
    """Copy rows within a table by an INSERT with a SELECT."""

    table: str
    sql: str

    def render(self, parameters: Parameters) -> str:
        return self.sql.format_map(parameters)


Statement = InsertRow | UpdateRow | DeleteRow | CallFunction | CopyRows
