"""The ways in besides the API: routes and connections of the channels this environment has an account for."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, cast

from starlette.routing import BaseRoute

from bot.generated_secrets import secret_key
from bot.settings import Settings
from bot.sleeping import Sleep, sleep_until
from bot.wiring import Bot

if TYPE_CHECKING:
    from bot.slack.wiring import SlackAccount

GRACE = 1.0
"""Seconds for courtesies when we stop."""


@dataclass(frozen=True)
class WaysIn:
    """`starters` begin what comes in by itself, `stoppers` end it, before the bot stops."""

    routes: tuple[BaseRoute, ...] = ()
    starters: tuple[Callable[[], None], ...] = ()
    stoppers: tuple[Callable[[], Awaitable[None]], ...] = ()

    def start(self) -> None:
        for start in self.starters:
            start()

    async def stop(self) -> None:
        for stop in self.stoppers:
            await stop()


def ways_in_of(settings: Settings, bot: Bot) -> WaysIn:
    """Raises Misconfigured when what is given does not suffice."""
    if not settings.speaks_slack:
        return WaysIn()
    from bot.slack.wiring import slack_account  # noqa: PLC0415 - 0.2 s that nobody without Slack needs

    account = slack_account(settings, secret_key(settings))
    return WaysIn() if account is None else slack_ways_in(account, bot)


def slack_ways_in(account: "SlackAccount", bot: Bot, sleep: Sleep = sleep_until) -> WaysIn:
    """HTTP where there is a signing secret, Socket Mode where there is an app token."""
    from bot.slack.wiring import slack_door, slack_listening  # noqa: PLC0415 - the same
    from bot.web.slack import slack_route  # noqa: PLC0415 - the same
    from channels.slack.outbound import SlackChannel  # noqa: PLC0415 - the same

    door = slack_door(account, cast(SlackChannel, bot.channels["slack"]), bot)
    routes = (slack_route(door),) if account.signing_secrets else ()
    courtesies, afterwards = partial(door.desk.afterwards.stop, GRACE), door.desk.afterwards
    if (listening := slack_listening(account, door, bot, sleep)) is None:
        return WaysIn(routes, (lambda: afterwards.do(door.desk.identity.us()),), (courtesies,))
    return WaysIn(routes, (listening.start,), (listening.stop, courtesies))
