"""Conversations: which thread belongs to which conversation of a channel, so that replies reach that thread.

A conversation key is defined by its channel, such as team, channel and thread_ts. Unlike inbox rows, these rows are
never deleted.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, select

from agents.core.errors import DuplicateConversation
from storage.database.statements import InsertRow
from storage.database.tables import ConversationRow
from storage.database.transactions import WriteBatch

_conversation = ConversationRow.__table__  # type: ignore[attr-defined]  # SQLModel does not declare the table it makes

_INSERT = InsertRow("conversation", ("channel", "place", "thread_id"))
_FIND = (
    select(_conversation.c.thread_id)
    .where(
        _conversation.c.channel == bindparam("channel"), _conversation.c.place.in_(bindparam("keys", expanding=True))
    )
    .limit(1)
)


def link_conversation(writes: WriteBatch, channel: str, conversation_keys: Sequence[str], thread_id: str) -> None:
    """Link conversation keys to a thread. The commit raises DuplicateConversation if one is linked already."""
    rows = ({"channel": channel, "place": key, "thread_id": thread_id} for key in conversation_keys)
    writes.add(_INSERT, rows, conflict_error=DuplicateConversation)


def find_linked_thread(connection: Connection, channel: str, conversation_keys: Sequence[str]) -> str | None:
    """Return the id of the thread that is linked to any of the keys, or None."""
    found: str | None = connection.execute(_FIND, {"channel": channel, "keys": list(conversation_keys)}).scalar()
    return found
