"""Entry points for Slack: signed HTTP requests and Socket Mode envelopes, handled in the same way."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agents.core.errors import Forbidden, HandrailError, InvalidInput
from bot.log import Level, LogEvent, log
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
    """Verifies and dispatches requests of Slack. Without a signing secret, it rejects every HTTP request."""

    dispatcher: SlackEventDispatcher
    signing_secrets: tuple[str, ...]
    now: Callable[[], datetime]

    async def handle_http(
        self, body: bytes, content_type: str, *, timestamp: str | None, signature: str | None
    ) -> Json | None:
        """Handle a request and return the response's body, None for an empty one.

        Raises Forbidden, InvalidInput, and Retryable. After Retryable, Slack sends the request again.
        """
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
        """Handle an envelope of Socket Mode and return the acknowledgement's payload.

        Raises NotAcknowledged if Slack should send the envelope again.
        """
        try:
            return await self._dispatch(unpack_socket_envelope(kind, payload))
        except (InvalidInput, Forbidden) as error:
            log(LogEvent.INBOUND_REJECTED, level="warning", channel="slack", error=error)
            return None
        except Exception as error:
            level: Level = "warning" if isinstance(error, HandrailError) else "error"
            log(LogEvent.INBOUND_REJECTED, level=level, channel="slack", error=error)
            raise NotAcknowledged from error

    async def _dispatch(self, inbound: InboundPayload) -> Json | None:
        if (challenge := url_verification_challenge(inbound)) is not None:
            return {"challenge": challenge}
        bot = await self.dispatcher.identity_cache.get_for_payload(inbound.payload)
        return await self.dispatcher.dispatch(parse_payload(inbound, bot), bot)
