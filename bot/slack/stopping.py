"""Stopping a thread from Slack: it is always safe, so everybody who is known here may, and whoever asked."""

from dataclasses import dataclass

from agents.errors import NotAllowed
from bot.slack.who import Somebody
from bot.steering import Steering
from storage.inbox import Claim


@dataclass(frozen=True)
class Stopping:
    """Cancels threads."""

    steering: Steering

    async def stop(self, thread_id: str, who: Somebody, claim: Claim) -> None:
        """Raises NotAllowed, ThreadNotFound, and WrongState when it has ended."""
        state = await self.steering.engine.load(thread_id)
        if who.person is None and state.requester != who.by:
            raise NotAllowed("only whoever asked, and people who are known here, may cancel it")
        await self.steering.cancel(thread_id, who.by, claim)
