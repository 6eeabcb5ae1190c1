"""Construction of the Slack channel, its event handlers and its connections from the settings."""

import asyncio
import ssl
from dataclasses import dataclass
from datetime import timedelta

from pydantic import SecretStr

from agents.core.errors import ConfigurationError, Permanent
from bot.bootstrap import Bot
from bot.config.settings import Settings
from bot.log import LogEvent, log
from bot.services.ids import Clock
from bot.services.retry import Sleep, sleep_until
from bot.services.threads import ConversationRouter
from bot.slack.action_handlers import ActionHandlers
from bot.slack.app_home import AppHome
from bot.slack.background_tasks import BackgroundTasks
from bot.slack.cancellation import ThreadCanceller
from bot.slack.endpoint import SlackEndpoint
from bot.slack.ephemeral import EphemeralMessages
from bot.slack.event_dispatcher import SlackEventDispatcher
from bot.slack.message_handlers import MessageHandlers
from bot.slack.overview_query import OverviewQuery
from bot.slack.slash_commands import SlashCommands
from bot.slack.socket_mode_runner import SocketModeRunner
from channels.network import NetworkSettings
from channels.slack.channel import SlackChannel
from channels.slack.client import SlackClient
from channels.slack.identity import BotIdentityCache
from channels.slack.rate_limit import RateLimiter
from channels.slack.socket_mode import SocketModeConnection


@dataclass(frozen=True)
class SlackAccount:
    """Slack credentials and network settings from the environment. `button_signing_key` signs button values."""

    bot_token: SecretStr
    api_url: str
    button_signing_key: bytes
    signing_secrets: tuple[str, ...] = ()
    app_token: SecretStr | None = None
    proxy: str | None = None
    tls: ssl.SSLContext | None = None


def load_slack_account(settings: Settings, key: SecretStr) -> SlackAccount | None:
    """Return the account, None if Slack is not configured or its proxy setting is invalid.

    Raises ConfigurationError if the configuration is incomplete.
    """
    token, secret, app_token = settings.slack_bot_token, settings.slack_signing_secret, settings.slack_app_token
    if token is None and secret is None and app_token is None:
        return None
    if token is None:
        raise ConfigurationError(
            "SLACK_BOT_TOKEN is missing: the bot needs it to send messages; see docs/howto/slack.md"
        )
    if secret is None and app_token is None:
        raise ConfigurationError(
            "SLACK_BOT_TOKEN is set, but the bot cannot receive messages: also set SLACK_APP_TOKEN (Socket Mode) or "
            "SLACK_SIGNING_SECRET (HTTP); see docs/howto/slack.md"
        )
    secrets = (secret.get_secret_value().strip(),) if secret is not None else ()
    signing_key, network = key.get_secret_value().encode(), NetworkSettings(settings.variables)
    try:
        proxy = network.proxy_for(settings.slack_api_url)
    except ConfigurationError:
        return None  # a warning names the variable; the other channels work
    tls = network.create_tls_context()
    return SlackAccount(token, settings.slack_api_url, signing_key, secrets, app_token, proxy, tls)


def build_slack_channel(account: SlackAccount, clock: Clock, sleep: Sleep = sleep_until) -> SlackChannel:
    """Return the channel that sends to Slack."""

    async def wait(seconds: float) -> None:
        await sleep(clock.now() + timedelta(seconds=seconds), asyncio.Event())

    token = account.bot_token.get_secret_value()
    client = SlackClient(token, account.api_url, monotonic=clock.monotonic, proxy=account.proxy, tls=account.tls)
    limiter, identity = RateLimiter(clock.monotonic, wait), BotIdentityCache(client)
    return SlackChannel(client, identity, limiter, account.button_signing_key, clock.now, _log_rejected_file)


def _log_rejected_file(error: Permanent) -> None:
    """Log that a long reply is sent as messages instead of a file; an operator can fix a `missing_scope`."""
    log(LogEvent.FILE_REFUSED, level="warning", channel="slack", reason=str(error))


def build_event_dispatcher(channel: SlackChannel, bot: Bot) -> SlackEventDispatcher:
    """Return the dispatcher with all event handlers."""
    client, roster, database = channel.client, bot.roster, bot.engine.database
    ephemeral, tasks = EphemeralMessages(client), BackgroundTasks()
    canceller = ThreadCanceller(bot.thread_control, roster.people)
    overviews = OverviewQuery(database, roster, client)
    return SlackEventDispatcher(
        identity_cache=channel.bot_identity,
        message_handlers=MessageHandlers(
            ConversationRouter(database, bot.threads), canceller, roster, ephemeral, tasks
        ),
        action_handlers=ActionHandlers(bot.approvals, roster, ephemeral, tasks, channel.signing_key),
        slash_commands=SlashCommands(overviews, canceller, roster),
        app_home=AppHome(client, overviews, roster),
        background_tasks=tasks,
    )


def build_slack_endpoint(account: SlackAccount, channel: SlackChannel, bot: Bot) -> SlackEndpoint:
    """Return the endpoint that handles requests of HTTP and envelopes of Socket Mode."""
    return SlackEndpoint(build_event_dispatcher(channel, bot), account.signing_secrets, bot.clock.now)


def build_socket_mode_runner(
    account: SlackAccount, endpoint: SlackEndpoint, bot: Bot, sleep: Sleep
) -> SocketModeRunner | None:
    """Return the Socket Mode runner, None if no app token is configured."""
    if account.app_token is None:
        return None
    token = account.app_token.get_secret_value()
    return SocketModeRunner(
        lambda: SocketModeConnection(token, account.api_url, endpoint.handle_envelope, account.proxy, account.tls),
        bot.channel_errors,
        bot.clock,
        sleep,
        bot.supervisor,
    )
