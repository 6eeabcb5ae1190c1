"""Inbox: the dedup keys of all inputs of channels, written in the transaction of their events (ADR 0005).

Conversations say which thread belongs to which conversation of a channel, so that replies reach that thread. A
conversation key is defined by its channel, such as team, channel and thread_ts. Unlike inbox rows, the rows of
conversations are never deleted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, select

from agents.core.errors import DuplicateConversation, VersionConflict
from agents.core.values import Address
from storage.database.tables import ConversationRow, InboxRow, InsertRow, UpdateRow
from storage.database.transactions import WriteBatch

_inbox = InboxRow.__table__  # type: ignore[attr-defined]  # SQLModel does not declare the table it makes

_INSERT = InsertRow("inbox", ("channel", "key", "thread_id", "at", "fingerprint", "reply"))


@dataclass(frozen=True)
class IdempotencyClaim:
    """The dedup keys of one input of a channel. It is a duplicate if any of them was recorded before.

    `fingerprint` is a hash of the content, to detect a key that is reused for other content.
    """

    channel: str
    keys: tuple[str, ...]
    fingerprint: str | None = None


@dataclass(frozen=True)
class PreviousResult:
    """The thread, the fingerprint and the reply recorded when the input arrived for the first time."""

    thread_id: str
    fingerprint: str | None
    reply: str | None


def find_duplicate(connection: Connection, claim: IdempotencyClaim) -> PreviousResult | None:
    """Return the result recorded under one of these keys, or None."""
    query = select(_inbox.c.thread_id, _inbox.c.fingerprint, _inbox.c.reply).where(
        _inbox.c.channel == claim.channel, _inbox.c.key.in_(claim.keys)
    )
    row = connection.execute(query.limit(1)).first()
    return None if row is None else PreviousResult(row.thread_id, row.fingerprint, row.reply)


def record_claim(writes: WriteBatch, claim: IdempotencyClaim, thread_id: str, at: datetime, reply: str | None) -> None:
    """Record all keys and the reply.

    The commit raises VersionConflict if one of the keys was recorded since `find_duplicate`, which finds it on a retry.
    """
    row = {"channel": claim.channel, "thread_id": thread_id, "at": at, "fingerprint": claim.fingerprint, "reply": reply}
    writes.add(_INSERT, (row | {"key": key} for key in claim.keys), conflict_error=VersionConflict)


def delete_old_claims(connection: Connection, before: datetime) -> None:
    """Delete keys recorded before this time. The longest retry schedules of senders end after days."""
    connection.execute(delete(_inbox).where(_inbox.c.at < before))


_conversation = ConversationRow.__table__  # type: ignore[attr-defined]  # SQLModel does not declare the table it makes

_INSERT_CONVERSATION = InsertRow("conversation", ("channel", "place", "thread_id"))
_UPDATE_CONVERSATION = UpdateRow("conversation", "thread_id = {thread_id}", "channel = {channel} AND place = {place}")
_INSERT_FREE_KEY = InsertRow("conversation", ("channel", "place", "thread_id", "address", "at"), skips_existing=True)
_FIND = select(_conversation.c.place, _conversation.c.thread_id).where(
    _conversation.c.channel == bindparam("channel"), _conversation.c.place.in_(bindparam("keys", expanding=True))
)


def link_conversation(writes: WriteBatch, channel: str, conversation_keys: Sequence[str], thread_id: str) -> None:
    """Link conversation keys to a thread. The commit raises DuplicateConversation if one is linked already."""
    rows = ({"channel": channel, "place": key, "thread_id": thread_id} for key in conversation_keys)
    writes.add(_INSERT_CONVERSATION, rows, conflict_error=DuplicateConversation)


def relink_conversation(writes: WriteBatch, channel: str, conversation_keys: Sequence[str], thread_id: str) -> None:
    """Link conversation keys that are linked already to another thread."""
    rows = ({"channel": channel, "place": key, "thread_id": thread_id} for key in conversation_keys)
    writes.add(_UPDATE_CONVERSATION, rows)


def find_linked_thread(connection: Connection, channel: str, conversation_keys: Sequence[str]) -> str | None:
    """Return the id of the thread that is linked to the first of the keys with a thread, or None."""
    rows = connection.execute(_FIND, {"channel": channel, "keys": list(conversation_keys)})
    threads: dict[str, str] = {row.place: row.thread_id for row in rows}
    return next((threads[key] for key in conversation_keys if key in threads), None)


def link_free_keys(
    writes: WriteBatch, channel: str, conversation_keys: Sequence[str], thread_id: str, address: Address, at: datetime
) -> None:
    """Link keys to a thread unless a thread has them. Each key is that of one message to or from the address."""
    row = {"channel": channel, "thread_id": thread_id, "address": address, "at": at}
    writes.add(_INSERT_FREE_KEY, (row | {"place": key} for key in dict.fromkeys(conversation_keys)))


def list_message_keys(connection: Connection, channel: str, thread_id: str, address: Address) -> tuple[str, ...]:
    """Return the keys of the messages to or from the address in this thread, the oldest first."""
    query = select(_conversation.c.place).where(
        _conversation.c.thread_id == thread_id,
        _conversation.c.channel == channel,
        _conversation.c.address == address,
        _conversation.c.at.is_not(None),
    )
    return tuple(connection.execute(query.order_by(_conversation.c.at, _conversation.c.place)).scalars())
