"""What a token may do: what it was granted, and which methods ask for that (docs.slack.dev/reference/scopes)."""

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
"""For each method the scopes of which it needs one; other methods need none."""


def check_scope(app: App, method: str) -> None:
    """Raises Refused when the bot token may not do this."""
    needed = _REQUIRED_SCOPES.get(method)
    if needed is not None and not set(needed) & set(app.scopes):
        raise ApiError("missing_scope")


def scopes_header(app: App, token: str | None) -> dict[str, str]:
    """The header in which every answer tells what the token may do."""
    granted = {app.bot_token: app.scopes, app.app_token: app.app_token_scopes}.get(token or "")
    return {} if granted is None else {"X-OAuth-Scopes": ",".join(granted)}


def grant_scopes(workspace: Workspace, *scopes: str) -> None:
    """As when somebody adds scopes to the app, and installs it again."""
    workspace.app = replace(workspace.app, scopes=(*workspace.app.scopes, *scopes))


def revoke(workspace: Workspace, scope: str) -> None:
    """As with an app that was installed before it asked for the scope."""
    workspace.app = replace(workspace.app, scopes=tuple(held for held in workspace.app.scopes if held != scope))
