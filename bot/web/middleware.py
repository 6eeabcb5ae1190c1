"""Outer middleware: add response headers, log API calls, and turn unexpected errors into responses."""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agents.errors import Unavailable
from bot.log import LogEvent, log
from bot.web.errors import response_for_error
from bot.web.principal import Principal, is_api_path

_COMMON_HEADERS = ((b"x-content-type-options", b"nosniff"),)
_API_HEADERS = (*_COMMON_HEADERS, (b"cache-control", b"no-store"))
DOCS_PATH = "/docs"
_DOCS_CONTENT_SECURITY_POLICY = (
    b"default-src 'self'; img-src 'self' data:; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'"
)
_DOCS_HEADERS = (*_COMMON_HEADERS, (b"content-security-policy", _DOCS_CONTENT_SECURITY_POLICY))
_STOPPING_MESSAGE = "the server is stopping; send the request again in a moment"
_MIN_ERROR_STATUS = 400
_MIN_SERVER_ERROR_STATUS = 500


class ResponseMiddleware:
    """Outermost middleware: adds headers to all responses, and answers requests whose handling failed."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        has_started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal has_started
            if message["type"] == "http.response.start":
                has_started = True
                message = {**message, "headers": [*message["headers"], *_response_headers(scope)]}
                _log_response(scope, message["status"])
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except asyncio.CancelledError:  # the server stops, and the request did not end within SHUTDOWN_GRACE_SECONDS
            if not has_started:
                await response_for_error(Unavailable(_STOPPING_MESSAGE))(scope, receive, send_with_headers)
            raise
        except Exception as error:
            log(LogEvent.HTTP_FAILED, level="error", method=scope["method"], path=scope["path"], error=error)
            if has_started:
                raise
            await response_for_error(error)(scope, receive, send_with_headers)


def _response_headers(scope: Scope) -> tuple[tuple[bytes, bytes], ...]:
    if scope["path"].startswith(DOCS_PATH):
        return _DOCS_HEADERS
    return _API_HEADERS if is_api_path(scope["path"]) else _COMMON_HEADERS


def _log_response(scope: Scope, status: int) -> None:
    """Log an API write or a rejected API call. Server errors are logged where they occur, with their cause."""
    if (
        not is_api_path(scope["path"])
        or status >= _MIN_SERVER_ERROR_STATUS
        or (scope["method"] != "POST" and status < _MIN_ERROR_STATUS)
    ):
        return
    principal: Principal | None = scope.get("state", {}).get("principal")
    log(
        LogEvent.INBOUND_REJECTED if status >= _MIN_ERROR_STATUS else LogEvent.INBOUND_ACCEPTED,
        channel=principal.source if principal else None,
        method=scope["method"],
        path=scope["path"],
        status=status,
    )
