"""Slack: whether it is set up, how events come in, and whatever the app itself can tell."""

from collections.abc import Iterator

from pydantic import SecretStr

from bot.doctor.finding import Finding
from bot.settings import Settings
from channels.slack.manifest import request_url, unreachable_reason

_CHECK_NAME = "slack"


def check_slack(settings: Settings) -> Iterator[Finding]:
    """Nothing is sent and nothing changed. Without a bot token Slack is not asked anything."""
    if settings.slack_bot_token is None:
        yield _missing_bot_token_finding(settings)
        return
    yield _check_transport(settings)
    yield from _check_app(settings, settings.slack_bot_token)


def _check_app(settings: Settings, bot_token: SecretStr) -> Iterator[Finding]:
    from bot.doctor.slack_app import check_slack_app  # noqa: PLC0415 - 0.2 s that nobody without Slack should wait for

    yield from check_slack_app(settings, bot_token)


def _missing_bot_token_finding(settings: Settings) -> Finding:
    others = ("slack_app_token", "slack_signing_secret", "slack_config_token")
    given = [name.upper() for name in others if getattr(settings, name) is not None]
    if given:
        told = f"{', '.join(given)} is of no use without SLACK_BOT_TOKEN"
        return Finding(
            name=_CHECK_NAME, state="problem", message=told, fix="set SLACK_BOT_TOKEN to the bot token of the app"
        )
    fix = "to have it, begin with `handrail slack manifest`"
    return Finding(name=_CHECK_NAME, state="ok", message="Slack is not set up: SLACK_BOT_TOKEN is not set", fix=fix)


def _check_transport(settings: Settings) -> Finding:
    """Socket Mode wherever there is an app token: CONTRACT §3. What is signed is let in beside it."""
    if settings.slack_app_token is not None:
        signed = "; signed HTTP is let in as well" if settings.slack_signing_secret is not None else ""
        told = f"what happens on Slack comes over Socket Mode, because SLACK_APP_TOKEN is set{signed}"
        return Finding(name=_CHECK_NAME, state="ok", message=told)
    if settings.slack_signing_secret is None:
        fix = "set SLACK_APP_TOKEN for Socket Mode, or SLACK_SIGNING_SECRET for HTTP"
        return Finding(name=_CHECK_NAME, state="problem", message="nothing that happens on Slack can come in", fix=fix)
    return _check_request_url(settings.public_url)


def _check_request_url(public_url: str) -> Finding:
    told = f"what happens on Slack comes over HTTP to {request_url(public_url)}"
    if (why := unreachable_reason(public_url)) is not None:
        fix = "set PUBLIC_URL to where Slack reaches this server, or SLACK_APP_TOKEN for Socket Mode"
        return Finding(name=_CHECK_NAME, state="warning", message=f"{told}, but {why}", fix=fix)
    return Finding(name=_CHECK_NAME, state="ok", message=told)
