"""App of the fake Slack: its ids, tokens, secrets and scopes."""

from dataclasses import dataclass
from typing import Any, Literal

_SCOPES = (
    "app_mentions:read", "assistant:write", "channels:history", "chat:write", "commands", "files:write",
    "groups:history", "im:history", "im:write", "mpim:history",
)  # fmt: skip


@dataclass(frozen=True)
class App:
    """App installed in one workspace, or in the whole `enterprise`; in that case `team` is one of its workspaces.

    `auth_test_team` determines the `team_id` that `auth.test` returns for an organization's installation.
    """

    team: str = "T0TEAM"
    enterprise: str | None = None
    auth_test_team: Literal["none", "enterprise", "team"] = "none"
    id: str = "A0APP"
    user: str = "U0BOT"
    bot: str = "B0BOT"
    name: str = "handrail"
    bot_token: str = "xoxb-of-the-tests"
    app_token: str = "xapp-1-A0APP-1-of-the-tests"
    config_token: str = "xoxe.xoxp-of-the-tests"
    signing_secret: str = "signing-secret-of-the-tests"
    scopes: tuple[str, ...] = _SCOPES
    """Scopes of the bot token."""
    app_token_scopes: tuple[str, ...] = ("connections:write",)
    has_app_id_in_auth_test: bool = False
    """Whether `auth.test` returns the app id, as Slack does for some tokens."""
    manifest: dict[str, Any] | None = None
    """App manifest, None if it cannot be exported."""
