"""The two ways in: HTTP, signed, and Socket Mode. Behind both everything goes the same way."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agents.errors import Forbidden, HandrailError, InvalidInput
from bot.log import LogEvent, log
from bot.slack.event_dispatcher import SlackEventDispatcher
from channels.slack.parser import (
    InboundPayload,
    is_ssl_check,
    parse_payload,
    unpack_http,
    unpack_socket_envelope,
    url_verification_challenge,
)
from channels.slack.signing import verify_signature
from channels.slack.socket_mode import NotAcknowledged

Json = dict[str, Any]


@dataclass(frozen=True)
class SlackEndpoint:
    """Lets in what Slack signed; without a signing secret nothing comes in over HTTP."""

    dispatcher: SlackEventDispatcher
    signing_secrets: tuple[str, ...]
    now: Callable[[], datetime]

    async def handle_http(
        self, body: bytes, content_type: str, *, timestamp: str | None, signature: str | None
    ) -> Json | None:
        """What Slack is answered. Raises NotAllowed, Invalid, and Retryable: then it sends it again."""
        try:
            verify_signature(
                body, timestamp=timestamp, signature=signature, secrets=self.signing_secrets, now=self.now()
            )
        except Forbidden:
            if is_ssl_check(body, content_type):
                return None
            raise
        return await self._dispatch(unpack_http(body, content_type))

    async def handle_envelope(self, kind: str, payload: Any) -> Json | None:
        """The same for an envelope of Socket Mode. Raises Unheard when Slack shall send it again."""
        try:
            return await self._dispatch(unpack_socket_envelope(kind, payload))
        except (InvalidInput, Forbidden) as error:
            log(LogEvent.INBOUND_REJECTED, level="warning", channel="slack", error=error)
            return None
        except Exception as error:
            ours = isinstance(error, HandrailError)
            log(LogEvent.INBOUND_REJECTED, level="warning" if ours else "error", channel="slack", error=error)
            raise NotAcknowledged from error

    async def _dispatch(self, inbound: InboundPayload) -> Json | None:
        if (challenge := url_verification_challenge(inbound)) is not None:
            return {"challenge": challenge}
        us = await self.dispatcher.identity_cache.get_for_payload(inbound.payload)
        return await self.dispatcher.dispatch(parse_payload(inbound, us), us)
