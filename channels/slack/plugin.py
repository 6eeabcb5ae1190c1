"""Construction of the Slack channel, its listeners and its connections from the settings."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from agents.core.errors import ConfigurationError, Permanent
from channels.base import Endpoint, Plugin
from channels.finding import Finding
from channels.slack.background_tasks import BackgroundTasks
from channels.slack.channel import SlackChannel
from channels.slack.client import SlackClient
from channels.slack.config import SlackSettings
from channels.slack.endpoint import SlackEndpoint
from channels.slack.ephemeral import EphemeralMessages
from channels.slack.event_dispatcher import SlackEventDispatcher
from channels.slack.identity import BotIdentityCache
from channels.slack.listeners.actions import ActionListener
from channels.slack.listeners.commands import CommandListener
from channels.slack.listeners.events import AppHomeListener
from channels.slack.listeners.messages import MessageListeners
from channels.slack.listeners.views import ViewListener
from channels.slack.manifest import EVENTS_PATH
from channels.slack.overview import OverviewQuery
from channels.slack.rate_limit import RateLimiter
from channels.slack.service import SlackService
from channels.slack.socket_mode import SocketModeConnection
from channels.slack.socket_mode_runner import SocketModeRunner

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
    checks: Callable[[], Iterable[Finding]] = tuple,
) -> Plugin:
    """Return the plugin; it has no channel if the configured proxy cannot be used.

    Raises ConfigurationError if settings are missing. Tests pass their clock and client.
    """
    _check_complete(settings)
    clock = clock or SlackClock()
    try:
        client = client or create_client(settings, clock)
    except ConfigurationError as error:
        return Plugin(checks=checks, problem=str(error))
    identity, limiter = BotIdentityCache(client), RateLimiter(clock.monotonic, clock.sleep)
    channel = SlackChannel(client, identity, limiter, settings.signing_key, clock.now, _log_rejected_file)
    dispatcher = _build_dispatcher(channel)
    endpoint = SlackEndpoint(dispatcher, _signing_secrets(settings))
    endpoints = (Endpoint(EVENTS_PATH, endpoint.handle_http),) if endpoint.signing_secrets else ()
    service = SlackService(dispatcher.background_tasks, identity, _build_socket_mode(settings, client, endpoint))
    return Plugin(channel, endpoints, (service,), checks, channel.close)


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


def _signing_secrets(settings: SlackSettings) -> tuple[str, ...]:
    secret = settings.slack_signing_secret
    return () if secret is None else (secret.get_secret_value().strip(),)


def _build_dispatcher(channel: SlackChannel) -> SlackEventDispatcher:
    client, key = channel.client, channel.signing_key
    ephemeral, tasks, overviews = EphemeralMessages(client), BackgroundTasks(), OverviewQuery(client)
    return SlackEventDispatcher(
        identity_cache=channel.bot_identity,
        messages=MessageListeners(ephemeral, tasks),
        actions=ActionListener(ephemeral, tasks, key),
        views=ViewListener(ephemeral, tasks, key),
        commands=CommandListener(overviews),
        app_home=AppHomeListener(client, overviews, tasks),
        background_tasks=tasks,
    )


def _build_socket_mode(
    settings: SlackSettings, client: SlackClient, endpoint: SlackEndpoint
) -> SocketModeRunner | None:
    """Return the Socket Mode runner, None if no app token is configured."""
    if settings.slack_app_token is None:
        return None
    token = settings.slack_app_token.get_secret_value()
    return SocketModeRunner(
        lambda handle: SocketModeConnection(token, client.base_url, handle, client.proxy, client.tls),
        endpoint.handle_envelope,
    )
