"""Limits of a request's body: how large it may be, how long it may take to arrive, and that its length is clear."""

import asyncio

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bot.web.errors import error_response, response_for_error

BODY_TIMEOUT_SECONDS = 30.0
MAX_BODY_BYTES = 256 * 1024
"""Bytes. A message has at most 16 000 characters; what is larger is no request of ours."""
_MAX_CONTENT_LENGTH_DIGITS = (
    20  # digits; a Content-Length that makes no sense is not believed, the bytes are counted anyway
)


MAX_CHANNEL_BODY_BYTES = 1_000_000
"""Bytes of what a channel is brought: a message of Slack has 40 000 characters, and comes in several forms at once."""

_CHANNELS_PATH_PREFIX = "/channels/"
_CLOSE_HEADERS = {"Connection": "close"}
_AMBIGUOUS_LENGTH_MESSAGE = "send either Content-Length or Transfer-Encoding, not both"


class BodyLimit:
    """Refuses a body by the length it tells before any of it is read, and another one where it gets too long.

    A request with both Content-Length and Transfer-Encoding is refused, because a proxy in front may read another end
    of its body than this server does (RFC 9112, 6.1).
    """

    def __init__(self, app: ASGIApp, timeout_seconds: float = BODY_TIMEOUT_SECONDS) -> None:
        self._app = app
        self._timeout_seconds = timeout_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        largest = (
            MAX_CHANNEL_BODY_BYTES if str(scope.get("path", "")).startswith(_CHANNELS_PATH_PREFIX) else MAX_BODY_BYTES
        )
        if scope["type"] == "http" and _declared_length(scope) > largest:
            return await response_for_error(_too_large_error(largest))(scope, receive, send)
        if scope["type"] == "http" and _is_ambiguous(scope):
            return await error_response(400, "ambiguous_length", _AMBIGUOUS_LENGTH_MESSAGE, headers=_CLOSE_HEADERS)(
                scope, receive, send
            )
        return await self._app(scope, _limit_body(receive, largest, self._timeout_seconds), send)


def _declared_length(scope: Scope) -> int:
    length = Headers(scope=scope).get("content-length", "")
    return int(length) if length.isdecimal() and len(length) <= _MAX_CONTENT_LENGTH_DIGITS else 0


def _is_ambiguous(scope: Scope) -> bool:
    headers = Headers(scope=scope)
    return "content-length" in headers and "transfer-encoding" in headers


def _limit_body(receive: Receive, max_bytes: int, timeout_seconds: float) -> Receive:
    size, is_complete = 0, False
    deadline = asyncio.get_running_loop().time() + timeout_seconds

    async def counted() -> Message:
        nonlocal size, is_complete
        message = await receive() if is_complete else await _receive_before(deadline, receive)
        is_complete = not message.get("more_body", False)
        size += len(message.get("body", b""))
        if size > max_bytes:
            raise _too_large_error(max_bytes)
        return message

    return counted


async def _receive_before(deadline: float, receive: Receive) -> Message:
    try:
        async with asyncio.timeout_at(deadline):
            return await receive()
    except TimeoutError as error:
        raise HTTPException(408, "the body did not arrive in time; send the request again", _CLOSE_HEADERS) from error


def _too_large_error(max_bytes: int) -> HTTPException:
    """The connection stays open, and the server drops the rest: closed at once, it would lose our answer too."""
    return HTTPException(413, f"the body is larger than {max_bytes // 1024} KiB")
