"""Conversations: which thread a place outside belongs to, so that what is said there later reaches the same thread.

A place is what a channel makes of it, such as team, channel and root message. The inbox forgets; this does not.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, insert, select

from agents.errors import ConversationTaken
from storage.tables import ConversationRow
from storage.writes import Writes

_conversation = ConversationRow.__table__  # type: ignore[attr-defined]  # SQLModel does not declare the table it makes

_BEGIN = insert(_conversation)
_FIND = (
    select(_conversation.c.thread_id)
    .where(
        _conversation.c.channel == bindparam("channel"), _conversation.c.place.in_(bindparam("places", expanding=True))
    )
    .limit(1)
)


def begin_conversation(writes: Writes, channel: str, places: Sequence[str], thread_id: str) -> None:
    """Write the places down. ConversationTaken follows when somebody was there first."""
    rows = ({"channel": channel, "place": place, "thread_id": thread_id} for place in places)
    writes.add(_BEGIN, rows, refused=ConversationTaken)


def thread_at(connection: Connection, channel: str, places: Sequence[str]) -> str | None:
    """The thread of any of these places."""
    found: str | None = connection.execute(_FIND, {"channel": channel, "places": list(places)}).scalar()
    return found
