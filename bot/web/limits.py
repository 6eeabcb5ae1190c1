"""The largest body that is read, whether it tells its length or comes in pieces."""

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bot.web.problems import problem_of

LARGEST_BODY = 256 * 1024
"""Bytes. A message has at most 16 000 characters; what is larger is no request of ours."""
_LONGEST_LENGTH = 20  # digits; a Content-Length that makes no sense is not believed, the bytes are counted anyway


LARGEST_DELIVERY = 1_000_000
"""Bytes of what a channel is brought: a message of Slack has 40 000 characters, and comes in several forms at once."""

_DELIVERED = "/channels/"


class BodyLimit:
    """Refuses a body by the length it tells before any of it is read, and another one where it gets too long."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        largest = LARGEST_DELIVERY if str(scope.get("path", "")).startswith(_DELIVERED) else LARGEST_BODY
        if scope["type"] == "http" and _told(scope) > largest:
            return await problem_of(_too_large(largest))(scope, receive, send)
        return await self._app(scope, _counting(receive, largest), send)


def _told(scope: Scope) -> int:
    length = Headers(scope=scope).get("content-length", "")
    return int(length) if length.isdecimal() and len(length) <= _LONGEST_LENGTH else 0


def _counting(receive: Receive, largest: int) -> Receive:
    size = 0

    async def counted() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > largest:
            raise _too_large(largest)
        return message

    return counted


def _too_large(largest: int) -> HTTPException:
    """The connection stays open, and the server drops the rest: closed at once, it would lose our answer too."""
    return HTTPException(413, f"the body is larger than {largest // 1024} KiB")
