"""Scopes of tokens, and the methods that require them (docs.slack.dev/reference/scopes)."""

from dataclasses import replace

from tests.fakes.slack.api_error import ApiError
from tests.fakes.slack.app import App
from tests.fakes.slack.workspace import Workspace

_HISTORY_SCOPES = ("channels:history", "groups:history", "im:history", "mpim:history")
_REQUIRED_SCOPES = {
    "assistant.threads.setStatus": ("chat:write",),
    "assistant.threads.setSuggestedPrompts": ("assistant:write",),
    "chat.appendStream": ("chat:write",),
    "chat.delete": ("chat:write",),
    "chat.postEphemeral": ("chat:write",),
    "chat.postMessage": ("chat:write",),
    "chat.startStream": ("chat:write",),
    "chat.stopStream": ("chat:write",),
    "chat.update": ("chat:write",),
    "conversations.history": _HISTORY_SCOPES,
    "conversations.open": ("im:write",),
    "conversations.replies": _HISTORY_SCOPES,
    "files.completeUploadExternal": ("files:write",),
    "files.getUploadURLExternal": ("files:write",),
    "users.info": ("users:read",),
}
"""Scopes of which each method requires one; other methods require none."""


def check_scope(app: App, method: str) -> None:
    """Raise ApiError if the bot token lacks the method's scope."""
    required = _REQUIRED_SCOPES.get(method)
    if required is not None and not set(required) & set(app.scopes):
        raise ApiError("missing_scope")


def scopes_header(app: App, token: str | None) -> dict[str, str]:
    """Return the response header that lists the token's scopes."""
    granted = {app.bot_token: app.scopes, app.app_token: app.app_token_scopes}.get(token or "")
    return {} if granted is None else {"X-OAuth-Scopes": ",".join(granted)}


def grant_scopes(workspace: Workspace, *scopes: str) -> None:
    """Add scopes, as after a reinstallation of the app."""
    workspace.app = replace(workspace.app, scopes=(*workspace.app.scopes, *scopes))


def revoke(workspace: Workspace, scope: str) -> None:
    """Remove a scope, as for an app that was installed before it required the scope."""
    workspace.app = replace(workspace.app, scopes=tuple(other for other in workspace.app.scopes if other != scope))
