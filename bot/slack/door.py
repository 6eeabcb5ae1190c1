"""The two ways in: HTTP, signed, and Socket Mode. Behind both everything goes the same way."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agents.errors import HandrailError, Invalid, Misconfigured, NotAllowed, Unreachable
from bot.log import Action, log
from bot.slack.desk import SlackDesk
from channels.slack.facts import Ourselves
from channels.slack.inbound import challenge_of, from_socket, is_check, understand
from channels.slack.signing import verify
from channels.slack.socket import Unheard

PATIENCE = 2.0
"""Seconds to find out who we are: Slack waits for three."""

Json = dict[str, Any]


@dataclass(frozen=True)
class SlackDoor:
    """Lets in what Slack signed; without a signing secret nothing comes in over HTTP."""

    desk: SlackDesk
    secrets: tuple[str, ...]
    now: Callable[[], datetime]

    async def posted(
        self, body: bytes, content_type: str, *, timestamp: str | None, signature: str | None
    ) -> Json | None:
        """What Slack is answered. Raises NotAllowed, Invalid, and Retryable: then it sends it again."""
        if is_check(body, content_type):
            return None
        verify(body, timestamp=timestamp, signature=signature, secrets=self.secrets, now=self.now())
        if (challenge := challenge_of(body, content_type)) is not None:
            return {"challenge": challenge}
        us = await self._us()
        return await self.desk.take(understand(body, content_type, us), us)

    async def carried(self, kind: str, payload: Any) -> Json | None:
        """The same for an envelope of Socket Mode. Raises Unheard when Slack shall send it again."""
        try:
            us = await self._us()
            return await self.desk.take(from_socket(kind, payload, us), us)
        except (Invalid, NotAllowed) as error:
            log(Action.INBOUND_REFUSED, level="warning", channel="slack", error=error)
            return None
        except Exception as error:
            ours = isinstance(error, HandrailError)
            log(Action.INBOUND_REFUSED, level="warning" if ours else "error", channel="slack", error=error)
            raise Unheard from error

    async def _us(self) -> Ourselves:
        """A token that somebody has to put right is no fault of what came in: it is to come again. Raises Retryable."""
        try:
            async with asyncio.timeout(PATIENCE):
                return await self.desk.identity.us()
        except (Misconfigured, TimeoutError) as error:
            raise Unreachable("who we are on Slack is not known yet") from error
