"""Messages that metered channels have sent: what each cost, and which came last at an address."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, func, select

from agents.core.values import Address
from storage.database.tables import InsertRow, SentMessageRow
from storage.database.transactions import WriteBatch

SENT_MESSAGE_RETENTION = timedelta(days=7)
"""Time for which sent messages are kept, longer than any period of a budget."""

_sent = SentMessageRow.__table__  # type: ignore[attr-defined]  # SQLModel does not declare the table it makes

_COLUMNS = ("key", "channel", "address", "at", "units", "request_id")
_INSERT = InsertRow("sent_message", _COLUMNS, skips_existing=True)


@dataclass(frozen=True)
class SentRecord:
    """A message that was sent, by its delivery key. `request_id` is that of its card."""

    key: str
    channel: str
    address: Address
    at: datetime
    units: int
    request_id: str | None = None


def record_sent(writes: WriteBatch, record: SentRecord) -> None:
    """Record a sent message in the transaction of its event, once for each key."""
    writes.add(_INSERT, ({column: getattr(record, column) for column in _COLUMNS},))


def insert_sent(connection: Connection, record: SentRecord) -> None:
    """Record a sent message that belongs to no thread, once for each key."""
    is_known = select(_sent.c.key).where(_sent.c.key == record.key)
    if connection.execute(is_known).first() is None:
        connection.execute(_sent.insert().values({column: getattr(record, column) for column in _COLUMNS}))


def find_last(connection: Connection, address: Address) -> SentRecord | None:
    """Return the last message to an address, None without one."""
    query = select(_sent).where(_sent.c.address == address).order_by(_sent.c.at.desc(), _sent.c.key.desc()).limit(1)
    row = connection.execute(query).first()
    return None if row is None else SentRecord(**{column: getattr(row, column) for column in _COLUMNS})


def has_sent(connection: Connection, address: Address, thread_id: str, request_id: str | None) -> bool:
    """Return whether a card of the request, or without one a message of the thread, was sent to the address before."""
    is_about = _sent.c.key.startswith(f"{thread_id}:", autoescape=True)
    if request_id is not None:
        is_about = _sent.c.request_id == request_id
    return (
        connection.execute(select(_sent.c.key).where(_sent.c.address == address, is_about).limit(1)).first() is not None
    )


def count_sent(connection: Connection, address: Address, since: datetime) -> int:
    """Return the number of messages to an address since then."""
    query = select(func.count()).where(_sent.c.address == address, _sent.c.at > since)
    return connection.execute(query).scalar_one()


def sum_units(connection: Connection, channel: str, since: datetime) -> int:
    """Return the units of all messages of a channel since then."""
    query = select(func.coalesce(func.sum(_sent.c.units), 0)).where(_sent.c.channel == channel, _sent.c.at > since)
    return int(connection.execute(query).scalar_one())


def delete_old_sent(connection: Connection, before: datetime) -> None:
    """Delete messages that were sent before this time."""
    connection.execute(delete(_sent).where(_sent.c.at < before))
