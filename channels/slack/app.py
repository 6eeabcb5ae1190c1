"""The Bolt app: it dispatches verified payloads to the listeners and acknowledges them after they have committed.

By default Bolt acknowledges before a listener has run. With `process_before_response` it waits for the listener, so
that a payload that could not be committed is not acknowledged, and Slack sends it again.
"""

import logging
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from slack_bolt.app.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.context.async_context import AsyncBoltContext
from slack_bolt.error import BoltUnhandledRequestError
from slack_bolt.listener.async_listener_error_handler import AsyncListenerErrorHandler
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse
from slack_sdk.web.async_client import AsyncWebClient

from agents.core.errors import InvalidInput
from channels.base import Runtime
from channels.slack.background_tasks import BackgroundTasks
from channels.slack.identity import BotIdentityCache

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
