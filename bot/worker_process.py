"""`handrail worker` and `handrail clock`: a process that executes jobs and does not serve HTTP."""

import asyncio
import signal
from collections.abc import Callable

from bot.bootstrap import Bot
from bot.config.settings import load_settings
from bot.log import LogEvent, configure_logging, log
from bot.process import ProcessRole, build_bot, exit_if_tools_hang, install_signal_handlers, open_database


def run_worker(role: ProcessRole, on_ready: Callable[[ProcessRole], None]) -> None:
    """Run until a signal arrives. Call `on_ready` when the process has begun to execute jobs.

    Raises ConfigurationError when a setting is missing or invalid, StoreUnavailable when the database cannot be used.
    """
    settings = load_settings()
    configure_logging(settings.log_level, settings.log_format, color=not settings.no_color)
    database = open_database(settings, role)
    try:
        bot = build_bot(settings, database, role)
    except BaseException:
        asyncio.run(database.close())
        raise
    asyncio.run(_run_until_stopped(bot, lambda: on_ready(role)))


async def _run_until_stopped(bot: Bot, on_ready: Callable[[], None]) -> None:
    stop_event = asyncio.Event()
    install_signal_handlers((signal.SIGINT, signal.SIGTERM), stop_event.set)
    await bot.start()
    log(LogEvent.WORKER_STARTED)
    on_ready()
    try:
        await stop_event.wait()
        log(LogEvent.WORKER_STOPPING)
    finally:
        await bot.stop()
        log(LogEvent.WORKER_STOPPED)
    exit_if_tools_hang()
