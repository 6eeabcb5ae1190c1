"""Limits of a request's body: how large it may be, how long it may take to arrive, and that its length is clear."""

import asyncio

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bot.web.problems import problem, problem_of

BODY_TIMEOUT_SECONDS = 30.0
LARGEST_BODY = 256 * 1024
"""Bytes. A message has at most 16 000 characters; what is larger is no request of ours."""
_LONGEST_LENGTH = 20  # digits; a Content-Length that makes no sense is not believed, the bytes are counted anyway


LARGEST_DELIVERY = 1_000_000
"""Bytes of what a channel is brought: a message of Slack has 40 000 characters, and comes in several forms at once."""

_DELIVERED = "/channels/"
_CLOSE = {"Connection": "close"}
_AMBIGUOUS = "send either Content-Length or Transfer-Encoding, not both"


class BodyLimit:
    """Refuses a body by the length it tells before any of it is read, and another one where it gets too long.

    A request with both Content-Length and Transfer-Encoding is refused, because a proxy in front may read another end
    of its body than this server does (RFC 9112, 6.1).
    """

    def __init__(self, app: ASGIApp, timeout: float = BODY_TIMEOUT_SECONDS) -> None:
        self._app = app
        self._timeout = timeout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        largest = LARGEST_DELIVERY if str(scope.get("path", "")).startswith(_DELIVERED) else LARGEST_BODY
        if scope["type"] == "http" and _told(scope) > largest:
            return await problem_of(_too_large(largest))(scope, receive, send)
        if scope["type"] == "http" and _is_ambiguous(scope):
            return await problem(400, "ambiguous_length", _AMBIGUOUS, headers=_CLOSE)(scope, receive, send)
        return await self._app(scope, _counting(receive, largest, self._timeout), send)


def _told(scope: Scope) -> int:
    length = Headers(scope=scope).get("content-length", "")
    return int(length) if length.isdecimal() and len(length) <= _LONGEST_LENGTH else 0


def _is_ambiguous(scope: Scope) -> bool:
    headers = Headers(scope=scope)
    return "content-length" in headers and "transfer-encoding" in headers


def _counting(receive: Receive, largest: int, timeout: float) -> Receive:
    size, is_complete = 0, False
    deadline = asyncio.get_running_loop().time() + timeout

    async def counted() -> Message:
        nonlocal size, is_complete
        message = await receive() if is_complete else await _by(deadline, receive)
        is_complete = not message.get("more_body", False)
        size += len(message.get("body", b""))
        if size > largest:
            raise _too_large(largest)
        return message

    return counted


async def _by(deadline: float, receive: Receive) -> Message:
    try:
        async with asyncio.timeout_at(deadline):
            return await receive()
    except TimeoutError as error:
        raise HTTPException(408, "the body did not arrive in time; send the request again", _CLOSE) from error


def _too_large(largest: int) -> HTTPException:
    """The connection stays open, and the server drops the rest: closed at once, it would lose our answer too."""
    return HTTPException(413, f"the body is larger than {largest // 1024} KiB")
