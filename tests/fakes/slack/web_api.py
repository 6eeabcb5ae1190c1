"""The Web API: one door for all methods, with the token looked at first and the faults of the test built in."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.fakes.slack import agent_view, manifests, opening, posting, reading, streaming, uploads
from tests.fakes.slack.faults import Fault, Faults
from tests.fakes.slack.message import Json
from tests.fakes.slack.pace import Pace
from tests.fakes.slack.refused import Refused
from tests.fakes.slack.scopes import check_scope, scopes_told
from tests.fakes.slack.socket_carrier import SocketCarrier
from tests.fakes.slack.workspace import Workspace

_METHODS: dict[str, Callable[[Workspace, Json], Json]] = {
    "agents.sessions.setStatus": agent_view.set_session,
    "apps.manifest.export": manifests.export,
    "assistant.threads.setStatus": agent_view.set_status,
    "assistant.threads.setSuggestedPrompts": agent_view.set_prompts,
    "auth.test": reading.auth_test,
    "chat.appendStream": streaming.append,
    "chat.delete": posting.delete,
    "chat.getPermalink": reading.permalink,
    "chat.postEphemeral": posting.post_ephemeral,
    "chat.postMessage": posting.post_message,
    "chat.startStream": streaming.start,
    "chat.stopStream": streaming.stop,
    "chat.update": posting.update,
    "conversations.history": reading.history,
    "conversations.open": opening.open_conversation,
    "conversations.replies": reading.replies,
    "files.completeUploadExternal": uploads.complete,
    "files.getUploadURLExternal": uploads.get_url,
    "users.info": reading.users_info,
    "views.open": opening.open_view,
    "views.publish": opening.publish_view,
}
_WRITTEN_AS_JSON = ("attachments", "blocks", "files", "metadata", "prompts", "view")
_FORM_ONLY = (
    "chat.getPermalink", "conversations.history", "conversations.replies", "files.getUploadURLExternal", "users.info",
)  # fmt: skip
"""These read no JSON: what is sent so might as well not have been sent (docs.slack.dev, content types of each)."""
_TOO_FAST = Fault("ratelimited", retry_after=1)
_CONNECT = "apps.connections.open"
_EXPORT = "apps.manifest.export"


@dataclass
class Call:
    """One call as it came, and Slack's word for why it was refused."""

    method: str
    args: Json
    error: str | None = None
    asked_for: bool = False
    """Whether it is the test that wanted it refused."""


@dataclass
class WebApi:
    """Every call is kept, also the refused ones."""

    workspace: Workspace
    pace: Pace
    socket: SocketCarrier | None = None
    faults: Faults = field(default_factory=Faults)
    calls: list[Call] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        call = Call(request.match_info["method"], await _arguments(request))
        self.calls.append(call)
        fault = self.faults.next(call.method)
        if fault is not None and fault.cut != "after":
            call.error, call.asked_for = fault.error or "cut", True
            return _failed(request, fault)
        token = _token(request, call.args)
        if call.method == "chat.postMessage" and not self.pace.allows(str(call.args.get("channel"))):
            call.error = _TOO_FAST.error
            return _failed(request, _TOO_FAST)
        body = self._called(call, token)
        headers = scopes_told(self.workspace.app, token)
        return _failed(request, fault) if fault is not None else web.json_response(body, headers=headers)

    def _called(self, call: Call, token: str | None) -> Json:
        try:
            self._check_token(call.method, token)
            check_scope(self.workspace.app, call.method)
            return {"ok": True, **self._method(call.method)(self.workspace, call.args)}
        except Refused as refused:
            call.error = refused.error
            return refused.answer

    def _check_token(self, method: str, token: str | None) -> None:
        app = self.workspace.app
        if token is None:
            raise Refused("not_authed")
        if token not in (app.bot_token, app.app_token, app.config_token):
            raise Refused("invalid_auth")
        if token != {_CONNECT: app.app_token, _EXPORT: app.config_token}.get(method, app.bot_token):
            raise Refused("not_allowed_token_type")

    def _method(self, name: str) -> Callable[[Workspace, Json], Json]:
        if name == _CONNECT and self.socket is not None:
            return self._open_connection
        if name not in _METHODS:
            raise Refused("unknown_method")
        return _METHODS[name]

    def _open_connection(self, workspace: Workspace, args: Json) -> Json:
        assert self.socket is not None
        return {"url": f"{workspace.url.replace('http', 'ws', 1)}/link/?ticket={self.socket.ticket()}"}


async def _arguments(request: web.Request) -> Json:
    """However they were sent: in the address, as a form, or as JSON."""
    args: dict[str, Any] = dict(request.query)
    if request.content_type == "application/json":
        sent = json.loads(await request.text() or "{}")
        args.update({} if request.match_info["method"] in _FORM_ONLY else sent)
    else:
        args.update(await request.post())
    for name in _WRITTEN_AS_JSON:
        if isinstance(args.get(name), str):
            args[name] = json.loads(args[name])
    return args


def _token(request: web.Request, args: Json) -> str | None:
    in_body: str | None = args.pop("token", None)
    bearer = request.headers.get("Authorization", "").removeprefix("Bearer ").strip()
    return bearer or in_body


def _failed(request: web.Request, fault: Fault) -> web.Response:
    if fault.page is not None:
        return web.Response(status=fault.status, text=fault.page, content_type="text/html")
    if fault.cut:
        return _hung_up(request)
    if fault.status != 200:
        return web.Response(status=fault.status, text="Something went wrong", content_type="text/html")
    status, headers = (200, {}) if fault.retry_after is None else (429, {"Retry-After": str(fault.retry_after)})
    return web.json_response({"ok": False, "error": fault.error}, status=status, headers=headers)


def _hung_up(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
