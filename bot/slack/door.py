"""The two ways in: HTTP, signed, and Socket Mode. Behind both everything goes the same way."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agents.errors import HandrailError, Invalid, NotAllowed
from bot.log import Action, log
from bot.slack.desk import SlackDesk
from channels.slack.inbound import Unpacked, challenge_of, fact_of, is_check, unpacked, unpacked_envelope
from channels.slack.signing import verify
from channels.slack.socket import Unheard

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
        try:
            verify(body, timestamp=timestamp, signature=signature, secrets=self.secrets, now=self.now())
        except NotAllowed:
            if is_check(body, content_type):
                return None
            raise
        return await self._take(unpacked(body, content_type))

    async def carried(self, kind: str, payload: Any) -> Json | None:
        """The same for an envelope of Socket Mode. Raises Unheard when Slack shall send it again."""
        try:
            return await self._take(unpacked_envelope(kind, payload))
        except (Invalid, NotAllowed) as error:
            log(Action.INBOUND_REFUSED, level="warning", channel="slack", error=error)
            return None
        except Exception as error:
            ours = isinstance(error, HandrailError)
            log(Action.INBOUND_REFUSED, level="warning" if ours else "error", channel="slack", error=error)
            raise Unheard from error

    async def _take(self, came: Unpacked) -> Json | None:
        if (challenge := challenge_of(came)) is not None:
            return {"challenge": challenge}
        us = await self.desk.identity.us_behind(came.payload)
        return await self.desk.take(fact_of(came, us), us)
