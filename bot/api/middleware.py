"""Outer middleware: response headers, the log, unexpected errors, and limits for request bodies."""

import asyncio

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agents.core.errors import Unavailable
from bot.api.auth import Principal, is_api_path
from bot.api.errors import error_response, response_for_error
from bot.log import LogEvent, log
from channels.base import ENDPOINT_PREFIX

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


BODY_TIMEOUT_SECONDS = 30.0
MAX_BODY_BYTES = 256 * 1024
"""A message has at most 16 000 characters, so no valid API request is larger."""
_MAX_CONTENT_LENGTH_DIGITS = 20  # a longer Content-Length is ignored; the bytes are counted in any case
MAX_CHANNEL_BODY_BYTES = 1_000_000
"""Channels may receive more: a chat message can have 40 000 characters and arrive in several formats at once."""

_CLOSE_HEADERS = {"Connection": "close"}
_AMBIGUOUS_LENGTH_MESSAGE = "send either Content-Length or Transfer-Encoding, not both"


class BodyLimit:
    """Rejects a body whose Content-Length is too large before reading it, and any other body once it is too long.

    A request with both Content-Length and Transfer-Encoding is rejected, because a proxy and this server could
    disagree about where its body ends (RFC 9112 §6.1).
    """

    def __init__(self, app: ASGIApp, timeout_seconds: float = BODY_TIMEOUT_SECONDS) -> None:
        self._app = app
        self._timeout_seconds = timeout_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        max_bytes = MAX_CHANNEL_BODY_BYTES if str(scope.get("path", "")).startswith(ENDPOINT_PREFIX) else MAX_BODY_BYTES
        if scope["type"] == "http" and _declared_length(scope) > max_bytes:
            return await response_for_error(_too_large_error(max_bytes))(scope, receive, send)
        if scope["type"] == "http" and _is_ambiguous(scope):
            return await error_response(400, "ambiguous_length", _AMBIGUOUS_LENGTH_MESSAGE, headers=_CLOSE_HEADERS)(
                scope, receive, send
            )
        return await self._app(scope, _limit_body(receive, max_bytes, self._timeout_seconds), send)


def _declared_length(scope: Scope) -> int:
    length = Headers(scope=scope).get("content-length", "")
    return int(length) if length.isdecimal() and len(length) <= _MAX_CONTENT_LENGTH_DIGITS else 0


def _is_ambiguous(scope: Scope) -> bool:
    headers = Headers(scope=scope)
    return "content-length" in headers and "transfer-encoding" in headers


def _limit_body(receive: Receive, max_bytes: int, timeout_seconds: float) -> Receive:
    size, is_complete = 0, False
    deadline = asyncio.get_running_loop().time() + timeout_seconds

    async def receive_counted() -> Message:
        nonlocal size, is_complete
        message = await receive() if is_complete else await _receive_before(deadline, receive)
        is_complete = not message.get("more_body", False)
        size += len(message.get("body", b""))
        if size > max_bytes:
            raise _too_large_error(max_bytes)
        return message

    return receive_counted


async def _receive_before(deadline: float, receive: Receive) -> Message:
    try:
        async with asyncio.timeout_at(deadline):
            return await receive()
    except TimeoutError as error:
        raise HTTPException(408, "the body did not arrive in time; send the request again", _CLOSE_HEADERS) from error


def _too_large_error(max_bytes: int) -> HTTPException:
    """Return the error for a body that is too large. Closing the connection at once could lose the response."""
    return HTTPException(413, f"the body is larger than {max_bytes // 1024} KiB")
