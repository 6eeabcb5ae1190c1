"""Around every answer: its headers, a line in the log, and a 500 where nothing else could be said."""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agents.errors import Unreachable
from bot.log import Action, log
from bot.web.principal import Principal, guarded
from bot.web.problems import problem_of

_ALWAYS = ((b"x-content-type-options", b"nosniff"),)
_PRIVATE = (*_ALWAYS, (b"cache-control", b"no-store"))
DOCS = "/docs"
_OWN_HOST_ONLY = (
    b"default-src 'self'; img-src 'self' data:; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'"
)
_DOCUMENTS = (*_ALWAYS, (b"content-security-policy", _OWN_HOST_ONLY))
_STOPPING = "this server is stopping; send the same again in a moment"
_REFUSED = 400
_FAILED = 500


class Envelope:
    """The outermost of our middlewares."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        begun = False

        async def dressed(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                message = {**message, "headers": [*message["headers"], *_headers(scope)]}
                _note(scope, message["status"])
            await send(message)

        try:
            await self._app(scope, receive, dressed)
        except asyncio.CancelledError:  # the server stops and has waited long enough
            if not begun:
                await problem_of(Unreachable(_STOPPING))(scope, receive, dressed)
            raise
        except Exception as error:
            log(Action.HTTP_FAILED, level="error", method=scope["method"], path=scope["path"], error=error)
            if begun:
                raise
            await problem_of(error)(scope, receive, dressed)


def _headers(scope: Scope) -> tuple[tuple[bytes, bytes], ...]:
    if scope["path"].startswith(DOCS):
        return _DOCUMENTS
    return _PRIVATE if guarded(scope["path"]) else _ALWAYS


def _note(scope: Scope, status: int) -> None:
    """What came in and what became of it; failures are told where they are met, with what they are."""
    if not guarded(scope["path"]) or status >= _FAILED or (scope["method"] != "POST" and status < _REFUSED):
        return
    principal: Principal | None = scope.get("state", {}).get("principal")
    log(
        Action.INBOUND_REFUSED if status >= _REFUSED else Action.INBOUND_ACCEPTED,
        channel=principal.channel if principal else None,
        method=scope["method"],
        path=scope["path"],
        status=status,
    )
