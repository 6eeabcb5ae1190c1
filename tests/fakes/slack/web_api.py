"""Web API endpoint: it checks the token, injects the test's faults and calls the method."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.fakes.slack import (
    agent_methods,
    chat_methods,
    manifest_methods,
    read_methods,
    stream_methods,
    uploads,
    view_methods,
)
from tests.fakes.slack.api_error import ApiError
from tests.fakes.slack.faults import Fault, Faults
from tests.fakes.slack.message import Json
from tests.fakes.slack.rate_limit import PostingLimit
from tests.fakes.slack.scopes import check_scope, scopes_header
from tests.fakes.slack.socket_transport import SocketModeTransport
from tests.fakes.slack.workspace import Workspace

_METHODS: dict[str, Callable[[Workspace, Json], Json]] = {
    "agents.sessions.setStatus": agent_methods.set_session_status,
    "apps.manifest.export": manifest_methods.export_manifest,
    "assistant.threads.setStatus": agent_methods.set_status,
    "assistant.threads.setSuggestedPrompts": agent_methods.set_prompts,
    "auth.test": read_methods.auth_test,
    "chat.appendStream": stream_methods.append_stream,
    "chat.delete": chat_methods.delete_message,
    "chat.getPermalink": read_methods.get_permalink,
    "chat.postEphemeral": chat_methods.post_ephemeral,
    "chat.postMessage": chat_methods.post_message,
    "chat.startStream": stream_methods.start_stream,
    "chat.stopStream": stream_methods.stop_stream,
    "chat.update": chat_methods.update_message,
    "conversations.history": read_methods.conversations_history,
    "conversations.open": view_methods.open_conversation,
    "conversations.replies": read_methods.conversations_replies,
    "files.completeUploadExternal": uploads.complete,
    "files.getUploadURLExternal": uploads.get_url,
    "users.info": read_methods.users_info,
    "views.open": view_methods.open_view,
    "views.publish": view_methods.publish_view,
}
_JSON_ARGUMENTS = ("attachments", "blocks", "files", "metadata", "prompts", "view")
_FORM_ONLY_METHODS = (
    "chat.getPermalink", "conversations.history", "conversations.replies", "files.getUploadURLExternal", "users.info",
)  # fmt: skip
"""Methods that ignore a JSON body (content types in docs.slack.dev/reference/methods)."""
_RATE_LIMITED = Fault("ratelimited", retry_after=1)
_CONNECT = "apps.connections.open"
_EXPORT = "apps.manifest.export"


@dataclass
class ApiCall:
    """Recorded call, with its error code if it failed."""

    method: str
    args: Json
    error: str | None = None
    is_expected: bool = False
    """Whether the test expects the error."""


@dataclass
class WebApi:
    """Web API of a workspace. It records all calls, including failed ones."""

    workspace: Workspace
    posting_limit: PostingLimit
    socket: SocketModeTransport | None = None
    faults: Faults = field(default_factory=Faults)
    calls: list[ApiCall] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        call = ApiCall(request.match_info["method"], await _parse_arguments(request))
        self.calls.append(call)
        fault = self.faults.take_next(call.method)
        if fault is not None and fault.cut_timing != "after":
            call.error, call.is_expected = fault.error or "cut", True
            return _failure_response(request, fault)
        token = _get_token(request, call.args)
        if call.method == "chat.postMessage" and not self.posting_limit.try_post(str(call.args.get("channel"))):
            call.error = _RATE_LIMITED.error
            return _failure_response(request, _RATE_LIMITED)
        body = self._call_method(call, token)
        headers = scopes_header(self.workspace.app, token)
        return _failure_response(request, fault) if fault is not None else web.json_response(body, headers=headers)

    def _call_method(self, call: ApiCall, token: str | None) -> Json:
        try:
            self._check_token(call.method, token)
            check_scope(self.workspace.app, call.method)
            return {"ok": True, **self._find_method(call.method)(self.workspace, call.args)}
        except ApiError as error:
            call.error = error.error
            return error.body

    def _check_token(self, method: str, token: str | None) -> None:
        app = self.workspace.app
        if token is None:
            raise ApiError("not_authed")
        if token not in (app.bot_token, app.app_token, app.config_token):
            raise ApiError("invalid_auth")
        if token != {_CONNECT: app.app_token, _EXPORT: app.config_token}.get(method, app.bot_token):
            raise ApiError("not_allowed_token_type")

    def _find_method(self, name: str) -> Callable[[Workspace, Json], Json]:
        if name == _CONNECT and self.socket is not None:
            return self._open_connection
        if name not in _METHODS:
            raise ApiError("unknown_method")
        return _METHODS[name]

    def _open_connection(self, workspace: Workspace, args: Json) -> Json:
        assert self.socket is not None
        return {"url": f"{workspace.url.replace('http', 'ws', 1)}/link/?ticket={self.socket.new_ticket()}"}


async def _parse_arguments(request: web.Request) -> Json:
    """Return the arguments from the query, a form body or a JSON body."""
    args: dict[str, Any] = dict(request.query)
    if request.content_type == "application/json":
        body = json.loads(await request.text() or "{}")
        args.update({} if request.match_info["method"] in _FORM_ONLY_METHODS else body)
    else:
        args.update(await request.post())
    for name in _JSON_ARGUMENTS:
        if isinstance(args.get(name), str):
            args[name] = json.loads(args[name])
    return args


def _get_token(request: web.Request, args: Json) -> str | None:
    in_body: str | None = args.pop("token", None)
    bearer = request.headers.get("Authorization", "").removeprefix("Bearer ").strip()
    return bearer or in_body


def _failure_response(request: web.Request, fault: Fault) -> web.Response:
    if fault.html_page is not None:
        return web.Response(status=fault.status, text=fault.html_page, content_type="text/html")
    if fault.cut_timing:
        return _abort_connection(request)
    if fault.status != 200:
        return web.Response(status=fault.status, text="Something went wrong", content_type="text/html")
    status, headers = (200, {}) if fault.retry_after is None else (429, {"Retry-After": str(fault.retry_after)})
    return web.json_response({"ok": False, "error": fault.error}, status=status, headers=headers)


def _abort_connection(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
