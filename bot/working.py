"""`handrail worker` and `handrail clock`: a process that takes jobs and answers nobody."""

import asyncio
import signal
from collections.abc import Callable

from bot.assembly import Role, heed_signals, leave_what_hangs, make_bot, open_database
from bot.log import Action, configure_logging, log
from bot.settings import load_settings
from bot.wiring import Bot


def work(role: Role, announce: Callable[[Role], None]) -> None:
    """Run until a signal comes. `announce` is called once jobs are taken.

    Raises Misconfigured when something is missing or wrong, StoreUnavailable when the database does not answer.
    """
    settings = load_settings()
    configure_logging(settings.log_level, settings.log_format, color=not settings.no_color)
    database = open_database(settings, role)
    try:
        bot = make_bot(settings, database, role)
    except BaseException:
        asyncio.run(database.close())
        raise
    asyncio.run(_work(bot, lambda: announce(role)))


async def _work(bot: Bot, announce: Callable[[], None]) -> None:
    asked = asyncio.Event()
    heed_signals((signal.SIGINT, signal.SIGTERM), asked.set)
    await bot.start()
    log(Action.WORKER_STARTED)
    announce()
    try:
        await asked.wait()
        log(Action.WORKER_STOPPING)
    finally:
        await bot.stop()
        log(Action.WORKER_STOPPED)
    leave_what_hangs()
