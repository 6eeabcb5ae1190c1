"""Cancellation of a thread from Slack: by id, or within the thread's own conversation."""

from dataclasses import dataclass

from agents.core.errors import Forbidden
from agents.core.people import People
from agents.core.rights import may_view, thread_not_found, to_viewer
from bot.services.thread_control import ThreadControl
from bot.slack.users import ResolvedUser
from storage.inbox import IdempotencyClaim


@dataclass(frozen=True)
class ThreadCanceller:
    """Cancels threads on behalf of Slack users."""

    thread_control: ThreadControl
    people: People

    async def cancel_by_id(self, thread_id: str, user: ResolvedUser, claim: IdempotencyClaim) -> None:
        """Cancel a thread by id. Raises ThreadNotFound, also if the user may not see it, and WrongState."""
        state = await self.thread_control.engine.load(thread_id)
        if not may_view(state, to_viewer(user.address, self.people)):
            raise thread_not_found(thread_id)
        await self.thread_control.cancel(thread_id, user.address, claim)

    async def cancel_in_conversation(self, thread_id: str, user: ResolvedUser, claim: IdempotencyClaim) -> None:
        """Cancel the thread of the conversation in which the user acted; Slack restricts that to its members.

        Raises WrongState, and Forbidden if the user is neither linked to a person nor a requester of the thread.
        """
        state = await self.thread_control.engine.load(thread_id)
        if user.person is None and user.address not in state.requesters:
            raise Forbidden("only a requester or a person named in handrail.toml may cancel this thread")
        await self.thread_control.cancel(thread_id, user.address, claim)
