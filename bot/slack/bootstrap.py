"""Slack put together: its channel for what leaves, its desk for what comes in."""

import asyncio
import ssl
from dataclasses import dataclass
from datetime import timedelta

from pydantic import SecretStr

from agents.errors import ConfigurationError, Permanent
from bot.bootstrap import Bot
from bot.conversation_router import ConversationRouter
from bot.environment.network import NetworkSettings
from bot.ids import Clock
from bot.log import LogEvent, log
from bot.settings import Settings
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
from bot.sleep import Sleep, sleep_until
from channels.slack.bot_identity import BotIdentityCache
from channels.slack.channel import SlackChannel
from channels.slack.client import SlackClient
from channels.slack.rate_limit import RateLimiter
from channels.slack.socket_mode import SocketModeConnection


@dataclass(frozen=True)
class SlackAccount:
    """What the environment says of Slack. `key` seals buttons."""

    bot_token: SecretStr
    api_url: str
    button_signing_key: bytes
    signing_secrets: tuple[str, ...] = ()
    app_token: SecretStr | None = None
    proxy: str | None = None
    tls: ssl.SSLContext | None = None


def load_slack_account(settings: Settings, key: SecretStr) -> SlackAccount | None:
    """None where nothing is said of Slack, or its proxy cannot be used. Raises Misconfigured when not enough is."""
    token, secret, app_token = settings.slack_bot_token, settings.slack_signing_secret, settings.slack_app_token
    if token is None and secret is None and app_token is None:
        return None
    if token is None:
        raise ConfigurationError(
            "SLACK_BOT_TOKEN is missing: without it nothing can be said in Slack; see docs/howto/slack.md"
        )
    if secret is None and app_token is None:
        raise ConfigurationError(
            "SLACK_BOT_TOKEN alone brings nothing in: set SLACK_APP_TOKEN (Socket Mode) or SLACK_SIGNING_SECRET "
            "(HTTP) as well; see docs/howto/slack.md"
        )
    secrets = (secret.get_secret_value().strip(),) if secret is not None else ()
    sealing, network = key.get_secret_value().encode(), NetworkSettings(settings.variables)
    try:
        proxy = network.proxy_for(settings.slack_api_url)
    except ConfigurationError:
        return None  # a warning names the variable; all other channels work
    return SlackAccount(token, settings.slack_api_url, sealing, secrets, app_token, proxy, network.create_tls_context())


def build_slack_channel(account: SlackAccount, clock: Clock, sleep: Sleep = sleep_until) -> SlackChannel:
    """What leaves for Slack."""

    async def wait(seconds: float) -> None:
        await sleep(clock.now() + timedelta(seconds=seconds), asyncio.Event())

    token = account.bot_token.get_secret_value()
    client = SlackClient(token, account.api_url, monotonic=clock.monotonic, proxy=account.proxy, tls=account.tls)
    pace = RateLimiter(clock.monotonic, wait)
    return SlackChannel(
        client, BotIdentityCache(client), pace, account.button_signing_key, clock.now, _log_refused_file
    )


def _log_refused_file(error: Permanent) -> None:
    """A long reply goes into messages in place of a file; `missing_scope` is for the operator to put right."""
    log(LogEvent.FILE_REFUSED, level="warning", channel="slack", reason=str(error))


def build_event_dispatcher(channel: SlackChannel, bot: Bot) -> SlackEventDispatcher:
    """What comes in from Slack."""
    client, roster, database = channel.client, bot.roster, bot.engine.database
    notes, afterwards, stopping = (
        EphemeralMessages(client),
        BackgroundTasks(),
        ThreadCanceller(bot.thread_control, roster.people),
    )
    looking = OverviewQuery(database, roster, client)
    return SlackEventDispatcher(
        identity_cache=channel.bot_identity,
        message_handlers=MessageHandlers(
            ConversationRouter(database, bot.threads), stopping, roster, notes, afterwards
        ),
        action_handlers=ActionHandlers(bot.approvals, roster, notes, afterwards, channel.signing_key),
        slash_commands=SlashCommands(looking, stopping, roster),
        app_home=AppHome(client, looking, roster),
        background_tasks=afterwards,
    )


def build_slack_endpoint(account: SlackAccount, channel: SlackChannel, bot: Bot) -> SlackEndpoint:
    """What is behind both ways in."""
    return SlackEndpoint(build_event_dispatcher(channel, bot), account.signing_secrets, bot.clock.now)


def build_socket_mode_runner(
    account: SlackAccount, endpoint: SlackEndpoint, bot: Bot, sleep: Sleep
) -> SocketModeRunner | None:
    """Socket Mode, where there is an app token for it."""
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
