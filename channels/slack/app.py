"""The Bolt app and the HTTP endpoint that verifies and decodes Slack's requests.

It dispatches verified payloads to the listeners and acknowledges them after they have committed. HTTP bodies and Socket
Mode envelopes are decoded to the same JSON; what it means is left to Bolt.
"""

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import parse_qsl

from slack_bolt.app.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.context.async_context import AsyncBoltContext
from slack_bolt.error import BoltUnhandledRequestError
from slack_bolt.listener.async_listener_error_handler import AsyncListenerErrorHandler
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse
from slack_sdk.web.async_client import AsyncWebClient

from agents.core.errors import InvalidInput
from channels.base import HttpRequest, HttpResponse, Runtime
from channels.slack.background_tasks import BackgroundTasks
from channels.slack.identity import BotIdentityCache
from channels.slack.payloads import MAX_BODY_BYTES, parse_json_object
from channels.slack.signing import verify_signature

_FORM_CONTENT_TYPE = "application/x-www-form-urlencoded"
_SSL_CHECK_FIELD = b"ssl_check=1"
_MAX_FORM_FIELDS = 100
_MAX_SSL_CHECK_BYTES = 2000


def decode_http(body: bytes, content_type: str) -> Mapping[str, Any]:
    """Decode the body of a verified request. Raises InvalidInput.

    Events are JSON; interactions are forms with JSON in `payload`; slash commands and SSL checks are plain forms.
    """
    if len(body) > MAX_BODY_BYTES:
        raise InvalidInput("the body is larger than any request of Slack")
    if not _is_form(content_type):
        return parse_json_object(body)
    form = _parse_form(body)
    return parse_json_object(form["payload"]) if "payload" in form else form


def decode_envelope(payload: Any) -> Mapping[str, Any]:
    """Decode the payload of a Socket Mode envelope. Raises InvalidInput.

    The SDK's JSON parser accepts lone surrogates, which the HTTP endpoint rejects: the payload is parsed again, so that
    both transports accept the same.
    """
    if not isinstance(payload, dict):
        raise InvalidInput("invalid Slack payload: payload")
    return parse_json_object(json.dumps(payload))


def is_ssl_check(body: bytes, content_type: str) -> bool:
    """Return whether this is Slack's SSL check, which is not signed; therefore the body is not parsed."""
    return len(body) <= _MAX_SSL_CHECK_BYTES and _is_form(content_type) and _SSL_CHECK_FIELD in body.split(b"&")


def _is_form(content_type: str) -> bool:
    return content_type.partition(";")[0].strip().lower() == _FORM_CONTENT_TYPE


def _parse_form(body: bytes) -> dict[str, str]:
    """Parse the fields of a form. Raises InvalidInput for bytes that are not UTF-8."""
    try:
        fields = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MAX_FORM_FIELDS
        )
    except ValueError:
        raise InvalidInput("the body is not a form in UTF-8") from None
    return dict(fields)


_REQUIRED_FIELDS = {
    "block_actions": "actions",
    "event_callback": "event",
    "url_verification": "challenge",
    "view_submission": "view",
}
"""Field without which a payload of a type is malformed, although Bolt would acknowledge it."""

_MALFORMED_PAYLOAD_ERRORS = (AttributeError, IndexError, KeyError, RecursionError, TypeError, ValueError)
"""Errors with which Bolt fails on a payload that does not have the documented structure."""

_logger = logging.getLogger("handrail.slack.bolt")
_logger.setLevel(logging.ERROR)  # Bolt's warnings quote payloads


class Listeners(Protocol):
    """Listeners for one kind of payload."""

    def register(self, app: AsyncApp) -> None:
        """Register the listeners. Bolt runs only the first listener that matches a payload."""
        ...


class ListenerFailed(Exception):
    """A listener raised the error that is the cause."""


def create_app(
    bot_identity: BotIdentityCache, background_tasks: BackgroundTasks, listeners: Iterable[Listeners]
) -> AsyncApp:
    """Return the app. It makes no API calls: listeners use the `bot` and the `runtime` of their request.

    Bolt's own verification of signatures is disabled, because Bolt parses a body before it verifies it.
    """

    async def authorize(context: AsyncBoltContext) -> AuthorizeResult:
        """Return the app's identity. Raises Unavailable: Bolt would acknowledge a payload if this returned None."""
        bot_identity.fetch_in_background(background_tasks, context["runtime"])
        bot = context["bot"] = bot_identity.for_payload(context["payload"])
        return AuthorizeResult(
            enterprise_id=bot.enterprise, team_id=bot.team, bot_id=bot.bot_id or None, bot_user_id=bot.user_id or None
        )

    app = AsyncApp(
        name=_logger.name,  # Bolt sets the level of the logger with this name
        logger=_logger,
        signing_secret="",  # else Bolt reads the environment; the token of the client takes precedence over it too
        client=AsyncWebClient(retry_handlers=[]),
        authorize=authorize,
        process_before_response=True,
        raise_error_for_unhandled_request=True,
        request_verification_enabled=False,
        ssl_check_enabled=False,
        attaching_function_token_enabled=False,
        attaching_conversation_kwargs_enabled=False,
    )
    app.error(_raise_error)
    app.listener_runner.listener_error_handler = _ListenerErrorHandler()
    for listener in listeners:
        listener.register(app)
    return app


async def dispatch(app: AsyncApp, payload: Mapping[str, Any], runtime: Runtime) -> BoltResponse:
    """Run the listener for a payload and return the acknowledgement.

    Raises InvalidInput for a malformed payload, and the error of a listener. After a Retryable error Slack should send
    the payload again.
    """
    body = dict(payload)
    _check_required_field(body)
    try:
        # As for Socket Mode, so that Bolt does not parse the body; without headers, because Slack does not sign them.
        request = AsyncBoltRequest(mode="socket_mode", body=body, context={"payload": body, "runtime": runtime})
        return await app.async_dispatch(request)
    except ListenerFailed as failed:
        raise failed.__cause__ or failed from None
    except _MALFORMED_PAYLOAD_ERRORS:
        raise InvalidInput("the payload does not have the structure that Slack documents") from None


async def _raise_error(error: Exception) -> None:
    """Raise an error from before a listener, such as one of `authorize`, instead of responding with 500."""
    raise error


class _ListenerErrorHandler(AsyncListenerErrorHandler):
    """Raises the errors of listeners, and acknowledges payloads for which there is no listener."""

    async def handle(self, error: Exception, request: AsyncBoltRequest, response: BoltResponse | None) -> None:
        if not isinstance(error, BoltUnhandledRequestError):
            raise ListenerFailed from error
        if not isinstance(request.body.get("type"), str):
            raise InvalidInput("invalid Slack payload: type")
        if response is not None:
            response.status, response.body = 200, ""


def _check_required_field(payload: Mapping[str, Any]) -> None:
    kind = payload.get("type")
    field = _REQUIRED_FIELDS.get(kind) if isinstance(kind, str) else None
    if field is not None and payload.get(field) is None:
        raise InvalidInput(f"invalid Slack payload: {field}")


@dataclass(frozen=True)
class SlackEndpoint:
    """Verifies requests on their raw bytes before they are decoded and dispatched."""

    app: AsyncApp
    signing_secrets: tuple[str, ...]

    async def handle(self, request: HttpRequest, runtime: Runtime) -> HttpResponse:
        """Handle a request. Raises Forbidden, InvalidInput, and Retryable, after which Slack sends it again."""
        content_type = request.headers.get("content-type", "")
        if is_ssl_check(request.body, content_type):
            return HttpResponse()
        verify_signature(
            request.body,
            timestamp=request.headers.get("x-slack-request-timestamp"),
            signature=request.headers.get("x-slack-signature"),
            secrets=self.signing_secrets,
            now=runtime.now(),
        )
        response = await dispatch(self.app, decode_http(request.body, content_type), runtime)
        return HttpResponse(
            response.status, response.body.encode(), response.first_headers().get("content-type", "text/plain")
        )
