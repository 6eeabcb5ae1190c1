"""What people say at a place outside belongs to the thread that was opened there; the first word opens one."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from agents.errors import DuplicateConversation
from bot.engine import CommitResult
from bot.thread_service import NewThread, ThreadService
from storage.conversations import find_linked_thread, link_conversation
from storage.database import Database
from storage.inbox import IdempotencyClaim
from storage.write_batch import WriteBatch

MAX_ATTEMPTS = 3


@dataclass(frozen=True)
class ConversationRouter:
    """Finds the thread of a place, and remembers it."""

    database: Database
    threads: ThreadService

    async def find_thread(self, channel: str, conversation_keys: Sequence[str]) -> str | None:
        """The thread of any of these places, if there is one."""
        return await self.database.read(
            partial(find_linked_thread, channel=channel, conversation_keys=conversation_keys)
        )

    async def post(
        self,
        conversation_keys: Sequence[str],
        new_thread: NewThread,
        claim: IdempotencyClaim,
        *,
        is_first: bool = False,
    ) -> CommitResult:
        """Say it in the place's thread, or open one there. Raises what Intake raises.

        What `begins` a place is not looked for there first: that somebody was earlier shows when it is written.
        """
        for attempt in range(MAX_ATTEMPTS):
            new = is_first and not attempt
            thread_id = None if new else await self.find_thread(claim.channel, conversation_keys)
            if thread_id is not None:
                return await self.threads.post_message(thread_id, new_thread.message, claim=claim)
            try:
                return await self.threads.open(
                    new_thread, claim=claim, extra_writes=partial(_link, claim.channel, conversation_keys)
                )
            except DuplicateConversation:
                continue
        raise DuplicateConversation


def _link(channel: str, conversation_keys: Sequence[str], writes: WriteBatch, commit: CommitResult) -> None:
    link_conversation(writes, channel, conversation_keys, commit.after.thread_id)
