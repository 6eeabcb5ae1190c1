"""Stopping a thread from Slack: by its name for those it is for, and in its own conversation for its members."""

from dataclasses import dataclass

from agents.errors import Forbidden
from agents.people import People
from agents.rights import may_view, thread_not_found, to_viewer
from bot.slack.users import ResolvedUser
from bot.thread_control import ThreadControl
from storage.inbox import IdempotencyClaim


@dataclass(frozen=True)
class ThreadCanceller:
    """Cancels threads."""

    steering: ThreadControl
    people: People

    async def cancel_by_id(self, thread_id: str, user: ResolvedUser, claim: IdempotencyClaim) -> None:
        """Cancel a thread that is named. Raises ThreadNotFound, also when it is not for them, and WrongState."""
        state = await self.steering.engine.load(thread_id)
        if not may_view(state, to_viewer(user.address, self.people)):
            raise thread_not_found(thread_id)
        await self.steering.cancel(thread_id, user.address, claim)

    async def cancel_in_conversation(self, thread_id: str, user: ResolvedUser, claim: IdempotencyClaim) -> None:
        """Cancel the thread of the conversation they are in: Slack decides who is a member of that.

        Raises NotAllowed for a member the configuration does not know and who said nothing there, and WrongState.
        """
        state = await self.steering.engine.load(thread_id)
        if user.person is None and user.address not in state.requesters:
            raise Forbidden("only whoever asked, and people who are known here, may cancel it")
        await self.steering.cancel(thread_id, user.address, claim)
