"""Checks of `handrail doctor` for Slack: its settings, how events arrive, and the app itself."""

from collections.abc import Iterator

from channels.finding import Finding
from channels.slack.config import SlackSettings
from channels.slack.manifest import request_url, unreachable_reason

_CHECK_NAME = "slack"


def check_slack(settings: SlackSettings) -> Iterator[Finding]:
    """Yield findings about Slack without sending or changing anything. Without a bot token no request is made."""
    if settings.slack_bot_token is None:
        yield _missing_bot_token_finding(settings)
        return
    from channels.slack.app_check import check_slack_app  # noqa: PLC0415 - takes 0.2 s, needless without Slack

    yield _check_transport(settings)
    yield from check_slack_app(settings, settings.slack_bot_token)


def _missing_bot_token_finding(settings: SlackSettings) -> Finding:
    if settings.slack_config_token is not None:
        message, fix = "SLACK_CONFIG_TOKEN has no effect without SLACK_BOT_TOKEN", "set SLACK_BOT_TOKEN too"
        return Finding(name=_CHECK_NAME, state="problem", message=message, fix=fix)
    fix = "to use it, begin with `handrail slack manifest`"
    return Finding(name=_CHECK_NAME, state="ok", message="Slack is not set up: SLACK_BOT_TOKEN is not set", fix=fix)


def _check_transport(settings: SlackSettings) -> Finding:
    """Return how events arrive: over Socket Mode if there is an app token, else over signed HTTP."""
    if settings.slack_app_token is not None:
        signed = "; signed HTTP is accepted too" if settings.slack_signing_secret is not None else ""
        message = f"Slack events arrive over Socket Mode, because SLACK_APP_TOKEN is set{signed}"
        return Finding(name=_CHECK_NAME, state="ok", message=message)
    return _check_request_url(settings.public_url)


def _check_request_url(public_url: str) -> Finding:
    message = f"Slack events arrive over HTTP at {request_url(public_url)}"
    if (reason := unreachable_reason(public_url)) is not None:
        fix = "set PUBLIC_URL to the address at which Slack reaches this server, or SLACK_APP_TOKEN for Socket Mode"
        return Finding(name=_CHECK_NAME, state="warning", message=f"{message}, but {reason}", fix=fix)
    return Finding(name=_CHECK_NAME, state="ok", message=message)
