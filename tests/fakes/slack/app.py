"""Who the bot is to Slack, and the secrets both of them know."""

from dataclasses import dataclass


@dataclass(frozen=True)
class App:
    """One app, installed in one workspace."""

    team: str = "T0TEAM"
    id: str = "A0APP"
    user: str = "U0BOT"
    bot: str = "B0BOT"
    name: str = "handrail"
    bot_token: str = "xoxb-of-the-tests"
    app_token: str = "xapp-of-the-tests"
    signing_secret: str = "signing-secret-of-the-tests"
