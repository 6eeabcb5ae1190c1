"""Settings of the Slack channel."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from channels.settings import InstallationSettings
from channels.text import validate_api_base_url

_CONFIG_TOKEN_PATTERN = re.compile(r"(?:A[A-Z0-9]+:)?xoxe\.[^\s:]+", re.ASCII)


def validate_bot_token(secret: SecretStr) -> SecretStr:
    """Validate a bot token, which Slack's *OAuth & Permissions* page shows."""
    return _check_prefix("xoxb-", secret, "the bot token of the Slack app")


def validate_app_token(secret: SecretStr) -> SecretStr:
    """Validate an app-level token, which Slack's *Basic Information* page shows."""
    return _check_prefix("xapp-", secret, "an app-level token of the Slack app")


def validate_config_token(secret: SecretStr) -> SecretStr:
    """Validate an app configuration token, which Slack's list of apps shows; the app's id may precede it."""
    if not _CONFIG_TOKEN_PATTERN.fullmatch(secret.get_secret_value()):
        raise ValueError("must be an app configuration token, which begins with xoxe., optionally preceded by A...:")
    return secret


def _check_prefix(prefix: str, secret: SecretStr, description: str) -> SecretStr:
    if not secret.get_secret_value().startswith(prefix):
        raise ValueError(f"must be {description}, which begins with {prefix}")
    return secret


class SlackSettings(InstallationSettings):
    """Settings of the Slack app: its tokens, and the base URL of Slack's Web API."""

    slack_bot_token: Annotated[SecretStr, AfterValidator(validate_bot_token)] | None = Field(
        None, description="the bot token of the Slack app", examples=["xoxb-..."]
    )
    slack_signing_secret: SecretStr | None = Field(
        None,
        description="verifies that HTTP requests come from Slack",
        examples=["the signing secret of the Slack app"],
    )
    slack_app_token: Annotated[SecretStr, AfterValidator(validate_app_token)] | None = Field(
        None,
        description="an app-level token; if set, events come over Socket Mode instead of HTTP",
        examples=["xapp-..."],
    )
    slack_config_token: Annotated[SecretStr, AfterValidator(validate_config_token)] | None = Field(
        None,
        description="lets `handrail doctor` compare the Slack app with its manifest; A...:token if it needs an app id",
        examples=["xoxe.xoxp-..."],
    )
    slack_api_url: Annotated[str, AfterValidator(validate_api_base_url)] = Field(
        "https://slack.com/api/", description="the base URL of Slack's Web API", examples=["https://slack.com/api/"]
    )

    @property
    def is_slack_enabled(self) -> bool:
        """Return whether a variable for Slack is set."""
        return any((self.slack_bot_token, self.slack_signing_secret, self.slack_app_token))
