"""The ways in besides the API: routes and connections of the channels this environment has an account for."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, cast

from starlette.routing import BaseRoute

from bot.bootstrap import Bot
from bot.generated_secrets import load_secret_key
from bot.settings import Settings
from bot.sleep import Sleep, sleep_until

if TYPE_CHECKING:
    from bot.slack.bootstrap import SlackAccount

SHUTDOWN_GRACE_SECONDS = 1.0
"""Seconds for courtesies when we stop."""


@dataclass(frozen=True)
class ChannelServices:
    """`starters` begin what comes in by itself, `stoppers` end it, before the bot stops."""

    routes: tuple[BaseRoute, ...] = ()
    start_hooks: tuple[Callable[[], None], ...] = ()
    stop_hooks: tuple[Callable[[], Awaitable[None]], ...] = ()

    def start(self) -> None:
        for start in self.start_hooks:
            start()

    async def stop(self) -> None:
        for stop in self.stop_hooks:
            await stop()


def build_channel_services(settings: Settings, bot: Bot) -> ChannelServices:
    """Raises Misconfigured when what is given does not suffice."""
    if not settings.is_slack_enabled:
        return ChannelServices()
    from bot.slack.bootstrap import load_slack_account  # noqa: PLC0415 - 0.2 s that nobody without Slack needs

    account = load_slack_account(settings, load_secret_key(settings))
    return ChannelServices() if account is None else build_slack_services(account, bot)


def build_slack_services(account: "SlackAccount", bot: Bot, sleep: Sleep = sleep_until) -> ChannelServices:
    """HTTP where there is a signing secret, Socket Mode where there is an app token."""
    from bot.slack.bootstrap import build_slack_endpoint, build_socket_mode_runner  # noqa: PLC0415 - the same
    from bot.web.slack import build_slack_route  # noqa: PLC0415 - the same
    from channels.slack.channel import SlackChannel  # noqa: PLC0415 - the same

    door = build_slack_endpoint(account, cast(SlackChannel, bot.channels["slack"]), bot)
    routes = (build_slack_route(door),) if account.signing_secrets else ()
    courtesies, afterwards = (
        partial(door.dispatcher.background_tasks.stop, SHUTDOWN_GRACE_SECONDS),
        door.dispatcher.background_tasks,
    )
    if (listening := build_socket_mode_runner(account, door, bot, sleep)) is None:
        return ChannelServices(routes, (lambda: afterwards.spawn(door.dispatcher.identity_cache.get()),), (courtesies,))
    return ChannelServices(routes, (listening.start,), (listening.stop, courtesies))
