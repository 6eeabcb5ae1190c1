"""Entry points for Slack: signed HTTP requests and Socket Mode envelopes, handled in the same way."""

import json
from dataclasses import dataclass
from typing import Any

from agents.core.errors import Forbidden, HandrailError, InvalidInput
from channels.base import HttpRequest, HttpResponse, Level, Runtime
from channels.slack.event_dispatcher import SlackEventDispatcher
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

    async def handle_http(self, request: HttpRequest, runtime: Runtime) -> HttpResponse:
        """Handle a request. Raises Forbidden, InvalidInput, and Retryable, after which Slack sends it again."""
        content_type = request.headers.get("content-type", "")
        try:
            verify_signature(
                request.body,
                timestamp=request.headers.get("x-slack-request-timestamp"),
                signature=request.headers.get("x-slack-signature"),
                secrets=self.signing_secrets,
                now=runtime.now(),
            )
        except Forbidden:
            if is_ssl_check(request.body, content_type):
                return HttpResponse()
            raise
        body = await self._dispatch(unpack_http(request.body, content_type), runtime)
        return HttpResponse() if body is None else HttpResponse(body=json.dumps(body).encode())

    async def handle_envelope(self, kind: str, payload: Any, runtime: Runtime) -> Json | None:
        """Handle an envelope of Socket Mode and return the acknowledgement's payload.

        Raises NotAcknowledged if Slack should send the envelope again.
        """
        try:
            return await self._dispatch(unpack_socket_envelope(kind, payload), runtime)
        except (InvalidInput, Forbidden) as error:
            runtime.log("inbound_rejected", level="warning", channel="slack", error=error)
            return None
        except Exception as error:
            level: Level = "warning" if isinstance(error, HandrailError) else "error"
            runtime.log("inbound_rejected", level=level, channel="slack", error=error)
            raise NotAcknowledged from error

    async def _dispatch(self, inbound: InboundPayload, runtime: Runtime) -> Json | None:
        if (challenge := url_verification_challenge(inbound)) is not None:
            return {"challenge": challenge}
        bot = await self.dispatcher.identity_cache.get_for_payload(inbound.payload)
        return await self.dispatcher.dispatch(parse_payload(inbound, bot), bot, runtime)
