"""Check of Slack: its settings, how events arrive, and the app itself."""

from collections.abc import Iterator

from pydantic import SecretStr

from bot.config.settings import Settings
from channels.finding import Finding
from channels.slack.manifest import request_url, unreachable_reason

_CHECK_NAME = "slack"


def check_slack(settings: Settings) -> Iterator[Finding]:
    """Yield findings about Slack without sending or changing anything. Without a bot token no request is made."""
    if settings.slack_bot_token is None:
        yield _missing_bot_token_finding(settings)
        return
    yield _check_transport(settings)
    yield from _check_app(settings, settings.slack_bot_token)


def _check_app(settings: Settings, bot_token: SecretStr) -> Iterator[Finding]:
    from bot.doctor.slack_app import check_slack_app  # noqa: PLC0415 - importing it takes 0.2 s, needless without Slack

    yield from check_slack_app(settings, bot_token)


def _missing_bot_token_finding(settings: Settings) -> Finding:
    others = ("slack_app_token", "slack_signing_secret", "slack_config_token")
    names = [name.upper() for name in others if getattr(settings, name) is not None]
    if names:
        message = f"{', '.join(names)} has no effect without SLACK_BOT_TOKEN"
        fix = "set SLACK_BOT_TOKEN to the bot token of the app"
        return Finding(name=_CHECK_NAME, state="problem", message=message, fix=fix)
    fix = "to use it, begin with `handrail slack manifest`"
    return Finding(name=_CHECK_NAME, state="ok", message="Slack is not set up: SLACK_BOT_TOKEN is not set", fix=fix)


def _check_transport(settings: Settings) -> Finding:
    """Return how events arrive: over Socket Mode if there is an app token, else over signed HTTP."""
    if settings.slack_app_token is not None:
        signed = "; signed HTTP is accepted too" if settings.slack_signing_secret is not None else ""
        message = f"Slack events arrive over Socket Mode, because SLACK_APP_TOKEN is set{signed}"
        return Finding(name=_CHECK_NAME, state="ok", message=message)
    if settings.slack_signing_secret is None:
        fix = "set SLACK_APP_TOKEN for Socket Mode, or SLACK_SIGNING_SECRET for HTTP"
        return Finding(name=_CHECK_NAME, state="problem", message="no events can arrive from Slack", fix=fix)
    return _check_request_url(settings.public_url)


def _check_request_url(public_url: str) -> Finding:
    message = f"Slack events arrive over HTTP at {request_url(public_url)}"
    if (reason := unreachable_reason(public_url)) is not None:
        fix = "set PUBLIC_URL to the address at which Slack reaches this server, or SLACK_APP_TOKEN for Socket Mode"
        return Finding(name=_CHECK_NAME, state="warning", message=f"{message}, but {reason}", fix=fix)
    return Finding(name=_CHECK_NAME, state="ok", message=message)
