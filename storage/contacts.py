"""Addresses that take no more messages, and those of senders whom `handrail.toml` does not name."""

from datetime import datetime

from pydantic import AwareDatetime
from sqlalchemy import Connection, bindparam, delete, select, text

from agents.core.values import Address, FrozenModel
from storage.database.tables import OptedOutRow, UnknownSenderRow, UtcTime

MAX_LISTED_CONTACTS = 200
"""Limit on the contacts in one list, the newest first."""

_opted_out = OptedOutRow.__table__  # type: ignore[attr-defined]  # SQLModel does not declare the table it makes
_unknown = UnknownSenderRow.__table__  # type: ignore[attr-defined]

_OPT_OUT = text(
    "INSERT INTO opted_out (address, at) VALUES (:address, :at) ON CONFLICT (address) DO NOTHING"
).bindparams(bindparam("at", type_=UtcTime))
_SEE_UNKNOWN = text("""
    INSERT INTO unknown_sender (address, first_seen_at, last_seen_at, count) VALUES (:address, :at, :at, 1)
    ON CONFLICT (address) DO UPDATE SET last_seen_at = excluded.last_seen_at, count = unknown_sender.count + 1
""").bindparams(bindparam("at", type_=UtcTime))


class OptedOutContact(FrozenModel):
    """An address that takes no more messages, and since when."""

    address: Address
    at: AwareDatetime


class UnknownSender(FrozenModel):
    """An address of no known person, and how often and when messages came from it."""

    address: Address
    first_seen_at: AwareDatetime
    last_seen_at: AwareDatetime
    count: int


class Contacts(FrozenModel):
    """The addresses that take no messages, and the senders of no known person; the newest, at most 200 of each."""

    opted_out: tuple[OptedOutContact, ...] = ()
    unknown_senders: tuple[UnknownSender, ...] = ()


def load_contacts(connection: Connection) -> Contacts:
    """Return the contacts that an administrator may want to know about."""
    opted_out, unknown = list_opted_out(connection), list_unknown_senders(connection)
    return Contacts(opted_out=tuple(opted_out), unknown_senders=tuple(unknown))


def opt_out(connection: Connection, address: Address, at: datetime) -> bool:
    """Record that an address takes no more messages. Return False if that was recorded before."""
    return connection.execute(_OPT_OUT, {"address": address, "at": at}).rowcount > 0


def opt_in(connection: Connection, address: Address) -> None:
    """Record that an address takes messages again."""
    connection.execute(delete(_opted_out).where(_opted_out.c.address == address))


def is_opted_out(connection: Connection, address: Address) -> bool:
    """Return whether the address takes no messages."""
    return connection.execute(select(_opted_out.c.address).where(_opted_out.c.address == address)).first() is not None


def list_opted_out(connection: Connection) -> list[OptedOutContact]:
    """Return the addresses that take no messages, at most MAX_LISTED_CONTACTS."""
    query = select(_opted_out).order_by(_opted_out.c.at.desc()).limit(MAX_LISTED_CONTACTS)
    return [OptedOutContact(**row) for row in connection.execute(query).mappings()]


def record_unknown_sender(connection: Connection, address: Address, at: datetime) -> None:
    """Record or count a message from an address of no known person."""
    connection.execute(_SEE_UNKNOWN, {"address": address, "at": at})


def list_unknown_senders(connection: Connection) -> list[UnknownSender]:
    """Return the senders of no known person, the last one first, at most MAX_LISTED_CONTACTS."""
    query = select(_unknown).order_by(_unknown.c.last_seen_at.desc()).limit(MAX_LISTED_CONTACTS)
    return [UnknownSender(**row) for row in connection.execute(query).mappings()]
