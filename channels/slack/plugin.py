"""Construction of the Slack channel, its listeners and its connections from the settings."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from slack_bolt.app.async_app import AsyncApp

from agents.core.errors import ConfigurationError, Permanent
from channels.abilities import Finding
from channels.base import Endpoint, Plugin
from channels.slack.app import Listeners, SlackEndpoint, create_app
from channels.slack.app_home import OverviewQuery
from channels.slack.background_tasks import BackgroundTasks
from channels.slack.channel import SlackChannel
from channels.slack.client import SlackClient
from channels.slack.config import SlackSettings
from channels.slack.ephemeral import EphemeralMessages
from channels.slack.identity import BotIdentityCache
from channels.slack.listeners.actions import ActionListener
from channels.slack.listeners.commands import CommandListener
from channels.slack.listeners.events import EventListeners, MessageListeners
from channels.slack.listeners.shortcuts import ShortcutListener
from channels.slack.listeners.views import ViewListener
from channels.slack.manifest import EVENTS_PATH
from channels.slack.rate_limit import RateLimiter
from channels.slack.socket_mode import SlackService, SocketModeConnection, SocketModeRunner

_logger = logging.getLogger("handrail.slack")


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class SlackClock:
    """Time of the channel. `monotonic` returns seconds of a monotonic clock."""

    now: Callable[[], datetime] = _utc_now
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


def build_plugin(
    settings: SlackSettings,
    *,
    clock: SlackClock | None = None,
    client: SlackClient | None = None,
    doctor_checks: Callable[[], Iterable[Finding]] = tuple,
) -> Plugin:
    """Return the plugin; it has no channel if the configured proxy cannot be used.

    Raises ConfigurationError if settings are missing. Tests pass their clock and client.
    """
    _check_complete(settings)
    clock = clock or SlackClock()
    try:
        client = client or create_client(settings, clock)
    except ConfigurationError as error:
        return Plugin(doctor_checks=doctor_checks, problem=str(error))
    identity, limiter = BotIdentityCache(client), RateLimiter(clock.monotonic, clock.sleep)
    channel = SlackChannel(client, identity, limiter, settings.signing_key, clock.now, _log_rejected_file)
    tasks = BackgroundTasks()
    app = create_app(identity, tasks, _create_listeners(channel, tasks))
    service = SlackService(tasks, identity, _create_socket_mode_runner(settings, client, app))
    return Plugin(
        channel=channel,
        endpoints=tuple(_create_endpoints(settings, app)),
        services=(service,),
        doctor_checks=doctor_checks,
        close=channel.close,
    )


def create_client(settings: SlackSettings, clock: SlackClock) -> SlackClient:
    """Return the client for the bot token. Raises ConfigurationError if the configured proxy cannot be used."""
    token = settings.slack_bot_token.get_secret_value() if settings.slack_bot_token else ""
    return SlackClient(
        token,
        settings.slack_api_url,
        monotonic=clock.monotonic,
        proxy=settings.network.proxy_for(settings.slack_api_url),
        tls=settings.network.create_tls_context(),
    )


def _check_complete(settings: SlackSettings) -> None:
    if settings.slack_bot_token is None:
        raise ConfigurationError(
            "SLACK_BOT_TOKEN is missing: the bot needs it to send messages; see docs/howto/slack.md"
        )
    if settings.slack_signing_secret is None and settings.slack_app_token is None:
        raise ConfigurationError(
            "SLACK_BOT_TOKEN is set, but the bot cannot receive messages: also set SLACK_APP_TOKEN (Socket Mode) or "
            "SLACK_SIGNING_SECRET (HTTP); see docs/howto/slack.md"
        )


def _log_rejected_file(error: Permanent) -> None:
    """Log that a long reply is sent as messages instead of a file; an operator can fix a `missing_scope`."""
    _logger.warning("file_refused", extra={"fields": {"channel": "slack", "reason": str(error)}})


def _create_listeners(channel: SlackChannel, tasks: BackgroundTasks) -> tuple[Listeners, ...]:
    client, key = channel.client, channel.signing_key
    ephemeral, overviews = EphemeralMessages(client), OverviewQuery(client)
    return (
        MessageListeners(ephemeral, tasks),
        ActionListener(ephemeral, tasks, key),
        ViewListener(ephemeral, tasks, key),
        CommandListener(overviews),
        ShortcutListener(ephemeral, tasks),
        EventListeners(client, ephemeral, overviews, tasks),
    )


def _create_endpoints(settings: SlackSettings, app: AsyncApp) -> Iterator[Endpoint]:
    """Yield the endpoint if a signing secret is configured."""
    if settings.slack_signing_secret is not None:
        secret = settings.slack_signing_secret.get_secret_value().strip()
        yield Endpoint(EVENTS_PATH, SlackEndpoint(app, (secret,)).handle)


def _create_socket_mode_runner(settings: SlackSettings, client: SlackClient, app: AsyncApp) -> SocketModeRunner | None:
    """Return the Socket Mode runner, None if no app token is configured."""
    if settings.slack_app_token is None:
        return None
    token = settings.slack_app_token.get_secret_value()
    return SocketModeRunner(
        lambda runtime: SocketModeConnection(
            app, runtime, token, api_url=client.base_url, proxy=client.proxy, tls=client.tls
        )
    )
