"""Routing of messages from conversations in a channel to Handrail threads; the first message opens the thread."""

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
    """Router that finds the thread linked to a conversation, and links new ones."""

    database: Database
    threads: ThreadService

    async def find_thread(self, channel: str, conversation_keys: Sequence[str]) -> str | None:
        """Return the id of the thread linked to one of these conversation keys; None if there is none."""
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
        """Post the message to the linked thread, or open one and link it. Raises what ThreadService raises.

        With `is_first` (the message starts its conversation) skip the search: if another process was faster, the
        link fails with DuplicateConversation and the thread is searched for then. Raises DuplicateConversation after
        MAX_ATTEMPTS.
        """
        for attempt in range(MAX_ATTEMPTS):
            skip_search = is_first and not attempt
            thread_id = None if skip_search else await self.find_thread(claim.channel, conversation_keys)
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
