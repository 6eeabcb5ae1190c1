"""Conversations: which thread a place outside belongs to, so that what is said there later reaches the same thread.

A place is what a channel makes of it, such as team, channel and root message. The inbox forgets; this does not.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, insert, select

from agents.errors import DuplicateConversation
from storage.tables import ConversationRow
from storage.write_batch import WriteBatch

_conversation = ConversationRow.__table__  # type: ignore[attr-defined]  # SQLModel does not declare the table it makes

_INSERT = insert(_conversation)
_FIND = (
    select(_conversation.c.thread_id)
    .where(
        _conversation.c.channel == bindparam("channel"), _conversation.c.place.in_(bindparam("places", expanding=True))
    )
    .limit(1)
)


def link_conversation(writes: WriteBatch, channel: str, conversation_keys: Sequence[str], thread_id: str) -> None:
    """Write the places down. ConversationTaken follows when somebody was there first."""
    rows = ({"channel": channel, "place": place, "thread_id": thread_id} for place in conversation_keys)
    writes.add(_INSERT, rows, conflict_error=DuplicateConversation)


def find_linked_thread(connection: Connection, channel: str, conversation_keys: Sequence[str]) -> str | None:
    """The thread of any of these places."""
    found: str | None = connection.execute(_FIND, {"channel": channel, "places": list(conversation_keys)}).scalar()
    return found
