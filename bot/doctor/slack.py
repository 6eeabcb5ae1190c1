"""Slack: whether it is set up, how events come in, and whatever the app itself can tell."""

from collections.abc import Iterator

from pydantic import SecretStr

from bot.doctor.finding import Finding
from bot.settings import Settings
from channels.slack.manifest import objection, request_url

_NAME = "slack"


def slack(settings: Settings) -> Iterator[Finding]:
    """Nothing is sent and nothing changed. Without a bot token Slack is not asked anything."""
    if settings.slack_bot_token is None:
        yield _without_bot_token(settings)
        return
    yield _transport(settings)
    yield from _asked(settings, settings.slack_bot_token)


def _asked(settings: Settings, bot_token: SecretStr) -> Iterator[Finding]:
    from bot.doctor.slack_app import slack_app  # noqa: PLC0415 - 0.2 s that nobody without Slack should wait for

    yield from slack_app(settings, bot_token)


def _without_bot_token(settings: Settings) -> Finding:
    others = ("slack_app_token", "slack_signing_secret", "slack_config_token")
    given = [name.upper() for name in others if getattr(settings, name) is not None]
    if given:
        told = f"{', '.join(given)} is of no use without SLACK_BOT_TOKEN"
        return Finding(name=_NAME, state="problem", told=told, fix="set SLACK_BOT_TOKEN to the bot token of the app")
    fix = "to have it, begin with `handrail slack manifest`"
    return Finding(name=_NAME, state="ok", told="Slack is not set up: SLACK_BOT_TOKEN is not set", fix=fix)


def _transport(settings: Settings) -> Finding:
    """Socket Mode wherever there is an app token: CONTRACT §3. What is signed is let in beside it."""
    if settings.slack_app_token is not None:
        signed = "; signed HTTP is let in as well" if settings.slack_signing_secret is not None else ""
        told = f"what happens on Slack comes over Socket Mode, because SLACK_APP_TOKEN is set{signed}"
        return Finding(name=_NAME, state="ok", told=told)
    if settings.slack_signing_secret is None:
        fix = "set SLACK_APP_TOKEN for Socket Mode, or SLACK_SIGNING_SECRET for HTTP"
        return Finding(name=_NAME, state="problem", told="nothing that happens on Slack can come in", fix=fix)
    return _over_http(settings.public_url)


def _over_http(public_url: str) -> Finding:
    told = f"what happens on Slack comes over HTTP to {request_url(public_url)}"
    if (why := objection(public_url)) is not None:
        fix = "set PUBLIC_URL to where Slack reaches this server, or SLACK_APP_TOKEN for Socket Mode"
        return Finding(name=_NAME, state="warning", told=f"{told}, but {why}", fix=fix)
    return Finding(name=_NAME, state="ok", told=told)
