"""What people say at a place outside belongs to the thread that was opened there; the first word opens one."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from agents.errors import ConversationTaken
from bot.engine import Recorded
from bot.intake import Intake, Opening
from storage.conversations import begin_conversation, thread_at
from storage.database import Database
from storage.inbox import Claim
from storage.writes import Writes

MOST_ATTEMPTS = 3


@dataclass(frozen=True)
class Conversations:
    """Finds the thread of a place, and remembers it."""

    database: Database
    intake: Intake

    async def thread_at(self, channel: str, places: Sequence[str]) -> str | None:
        """The thread of any of these places, if there is one."""
        return await self.database.read(partial(thread_at, channel=channel, places=places))

    async def said(self, places: Sequence[str], opening: Opening, claim: Claim, *, begins: bool = False) -> Recorded:
        """Say it in the place's thread, or open one there. Raises what Intake raises.

        What `begins` a place is not looked for there first: that somebody was earlier shows when it is written.
        """
        for attempt in range(MOST_ATTEMPTS):
            new = begins and not attempt
            thread_id = None if new else await self.thread_at(claim.channel, places)
            if thread_id is not None:
                return await self.intake.hear(thread_id, opening.heard, claim=claim)
            try:
                return await self.intake.open(opening, claim=claim, also=partial(_begin, claim.channel, places))
            except ConversationTaken:
                continue
        raise ConversationTaken


def _begin(channel: str, places: Sequence[str], writes: Writes, recorded: Recorded) -> None:
    begin_conversation(writes, channel, places, recorded.after.thread_id)
