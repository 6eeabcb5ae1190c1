"""Slack put together: its channel for what leaves, its desk for what comes in."""

import asyncio
import ssl
from dataclasses import dataclass
from datetime import timedelta

from pydantic import SecretStr

from agents.errors import Misconfigured, Permanent
from bot.conversations import Conversations
from bot.environment.network import Network
from bot.ids import Chance
from bot.log import Action, log
from bot.settings import Settings
from bot.slack.afterwards import Afterwards
from bot.slack.commanding import Commanding
from bot.slack.desk import SlackDesk
from bot.slack.door import SlackDoor
from bot.slack.hearing import Hearing
from bot.slack.listening import Listening
from bot.slack.looking import Looking
from bot.slack.notes import Notes
from bot.slack.pressing import Pressing
from bot.slack.stopping import Stopping
from bot.slack.welcoming import Welcoming
from bot.sleeping import Sleep, sleep_until
from bot.wiring import Bot
from channels.slack.client import SlackClient
from channels.slack.identity import Identity
from channels.slack.outbound import SlackChannel
from channels.slack.pace import Pace
from channels.slack.socket import Socket


@dataclass(frozen=True)
class SlackAccount:
    """What the environment says of Slack. `key` seals buttons."""

    bot_token: SecretStr
    api_url: str
    key: bytes
    signing_secrets: tuple[str, ...] = ()
    app_token: SecretStr | None = None
    proxy: str | None = None
    tls: ssl.SSLContext | None = None


def slack_account(settings: Settings, key: SecretStr) -> SlackAccount | None:
    """None where nothing is said of Slack, or its proxy cannot be used. Raises Misconfigured when not enough is."""
    token, secret, app_token = settings.slack_bot_token, settings.slack_signing_secret, settings.slack_app_token
    if token is None and secret is None and app_token is None:
        return None
    if token is None:
        raise Misconfigured(
            "SLACK_BOT_TOKEN is missing: without it nothing can be said in Slack; see docs/howto/slack.md"
        )
    if secret is None and app_token is None:
        raise Misconfigured(
            "SLACK_BOT_TOKEN alone brings nothing in: set SLACK_APP_TOKEN (Socket Mode) or SLACK_SIGNING_SECRET "
            "(HTTP) as well; see docs/howto/slack.md"
        )
    secrets = (secret.get_secret_value().strip(),) if secret is not None else ()
    sealing, network = key.get_secret_value().encode(), Network(settings.variables)
    try:
        proxy = network.proxy(settings.slack_api_url)
    except Misconfigured:
        return None  # a warning names the variable; all other channels work
    return SlackAccount(token, settings.slack_api_url, sealing, secrets, app_token, proxy, network.tls())


def slack_channel(account: SlackAccount, chance: Chance, sleep: Sleep = sleep_until) -> SlackChannel:
    """What leaves for Slack."""

    async def wait(seconds: float) -> None:
        await sleep(chance.now() + timedelta(seconds=seconds), asyncio.Event())

    token = account.bot_token.get_secret_value()
    client = SlackClient(token, account.api_url, elapsed=chance.elapsed, proxy=account.proxy, tls=account.tls)
    pace = Pace(chance.elapsed, wait)
    return SlackChannel(client, Identity(client), pace, account.key, chance.now, _log_refused_file)


def _log_refused_file(error: Permanent) -> None:
    """A long reply goes into messages in place of a file; `missing_scope` is for the operator to put right."""
    log(Action.FILE_REFUSED, level="warning", channel="slack", reason=str(error))


def slack_desk(channel: SlackChannel, bot: Bot) -> SlackDesk:
    """What comes in from Slack."""
    client, roster, database = channel.client, bot.roster, bot.engine.database
    notes, afterwards, stopping = Notes(client), Afterwards(), Stopping(bot.steering, roster.people)
    looking = Looking(database, roster, client)
    return SlackDesk(
        identity=channel.identity,
        hearing=Hearing(Conversations(database, bot.intake), stopping, roster, notes, afterwards),
        pressing=Pressing(bot.deciding, roster, notes, afterwards, channel.key),
        commanding=Commanding(looking, stopping, roster),
        welcoming=Welcoming(client, looking, roster),
        afterwards=afterwards,
    )


def slack_door(account: SlackAccount, channel: SlackChannel, bot: Bot) -> SlackDoor:
    """What is behind both ways in."""
    return SlackDoor(slack_desk(channel, bot), account.signing_secrets, bot.chance.now)


def slack_listening(account: SlackAccount, door: SlackDoor, bot: Bot, sleep: Sleep) -> Listening | None:
    """Socket Mode, where there is an app token for it."""
    if account.app_token is None:
        return None
    token = account.app_token.get_secret_value()
    return Listening(
        lambda: Socket(token, account.api_url, door.carried, account.proxy, account.tls),
        bot.troubles,
        bot.chance,
        sleep,
        bot.loops,
    )
