"""`handrail smtp`: a process that runs the listeners of all channels and stores what arrives; workers process it."""

import asyncio
from collections.abc import Callable

from agents.core.errors import ConfigurationError
from bot.bootstrap import Bot
from bot.channel_host import BotRuntime, ChannelHost
from bot.config.settings import load_settings
from bot.log import configure_logging
from bot.process import ProcessRole, build_bot, open_database, run_until_stopped

SMTP_ROLE = ProcessRole("smtp")


def run_smtp(on_ready: Callable[[tuple[str, ...]], None]) -> None:
    """Run until a signal arrives. Call `on_ready` with the names of the channels whose listeners have started.

    Raises ConfigurationError when a setting is missing or invalid or no channel listens, StoreUnavailable when the
    database cannot be used.
    """
    settings = load_settings()
    configure_logging(settings.log_level, settings.log_format, color=not settings.no_color)
    database = open_database(settings, SMTP_ROLE)
    try:
        bot = build_bot(settings, database, SMTP_ROLE)
        names = _listening_channels(bot)
    except BaseException:
        asyncio.run(database.close())
        raise
    host = ChannelHost(bot.plugins, BotRuntime(bot, runs_only_listeners=True), has_services=False, has_listeners=True)
    asyncio.run(run_until_stopped(bot, lambda: on_ready(names), host))


def _listening_channels(bot: Bot) -> tuple[str, ...]:
    """Return the names of the channels that listen on ports of their own. Raises ConfigurationError if none does."""
    names = tuple(name for name, plugin in bot.plugins.items() if plugin.listeners)
    if not names:
        raise ConfigurationError("no channel listens on a port here: set SMTP_LISTEN or LMTP_LISTEN")
    return names
