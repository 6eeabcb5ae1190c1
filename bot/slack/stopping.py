"""Stopping a thread from Slack: by its name for those it is for, and in its own conversation for its members."""

from dataclasses import dataclass

from agents.errors import NotAllowed
from agents.people import People
from agents.rights import may_see, unknown_thread, viewer_of
from bot.slack.who import Somebody
from bot.steering import Steering
from storage.inbox import Claim


@dataclass(frozen=True)
class Stopping:
    """Cancels threads."""

    steering: Steering
    people: People

    async def stop(self, thread_id: str, who: Somebody, claim: Claim) -> None:
        """Cancel a thread that is named. Raises ThreadNotFound, also when it is not for them, and WrongState."""
        state = await self.steering.engine.load(thread_id)
        if not may_see(state, viewer_of(who.by, self.people)):
            raise unknown_thread(thread_id)
        await self.steering.cancel(thread_id, who.by, claim)

    async def stop_here(self, thread_id: str, who: Somebody, claim: Claim) -> None:
        """Cancel the thread of the conversation they are in: Slack decides who is a member of that.

        Raises NotAllowed for a member the configuration does not know and who said nothing there, and WrongState.
        """
        state = await self.steering.engine.load(thread_id)
        if who.person is None and who.by not in state.requesters:
            raise NotAllowed("only whoever asked, and people who are known here, may cancel it")
        await self.steering.cancel(thread_id, who.by, claim)
