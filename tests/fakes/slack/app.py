"""Who the bot is to Slack, and the secrets both of them know."""

from dataclasses import dataclass
from typing import Any, Literal

_SCOPES = (
    "app_mentions:read", "assistant:write", "channels:history", "chat:write", "commands", "files:write",
    "groups:history", "im:history", "im:write", "mpim:history",
)  # fmt: skip


@dataclass(frozen=True)
class App:
    """One app, installed in one workspace; or in the whole `enterprise`, of which `team` is one workspace then.

    `tells_team` is what `auth.test` of an installation in an organisation says of a team.
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
    """What the bot token was granted."""
    app_token_scopes: tuple[str, ...] = ("connections:write",)
    has_app_id_in_auth_test: bool = False
    """Whether `auth.test` names the app, as it does for some tokens only."""
    manifest: dict[str, Any] | None = None
    """How the app is configured, when somebody may ask."""
