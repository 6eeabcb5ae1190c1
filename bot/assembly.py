"""A process of Handrail before it runs: its database, its bot, and how it ends."""

import asyncio
import os
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from agents.command_model import CommandModel
from agents.errors import Misconfigured
from agents.model import Model
from agents.pricing import Price, PricedModel
from bot.accounts import accounts
from bot.config import Configuration
from bot.database import bring_up_to_date, revision, url_of
from bot.house import load_house, set_up
from bot.ids import fresh_id, utc_now
from bot.log import Action, log
from bot.pauses import Pauses
from bot.settings import FOLDER, Settings
from bot.shared_model import SharedModel
from bot.unusable_model import UnusableModel
from bot.wiring import Bot, Share, bootstrap
from channels.registry import CHANNELS, by_scheme
from storage.database import Database
from storage.jobs import Queue
from storage.postgres import is_postgres
from storage.processes import Process
from storage.schema import HEAD


@dataclass(frozen=True)
class Role:
    """What a process does of the common work: jobs of these queues, so many at once of each.

    `alone` is the role that does everything, and may have a SQLite file; it also migrates.
    """

    name: str
    queues: tuple[Queue, ...] = ()
    concurrency: int = 0
    alone: bool = False


def open_database(settings: Settings, role: Role) -> Database:
    """The database in the form we need. Raises Misconfigured when it cannot be shared, or has to be migrated first."""
    make_folder()
    url = url_of(settings)
    if not role.alone:
        refuse_sqlite(url, role)
    if role.alone and revision(url) != HEAD:
        bring_up_to_date(url)
    return Database.open(url)


def refuse_sqlite(url: str, role: Role) -> None:
    """Raises Misconfigured for a file, which cannot be shared."""
    if not is_postgres(url):
        raise Misconfigured(
            f"SQLite is for one process: `handrail {role.name}` cannot share it with the others. Use `handrail up`, "
            "which runs them all, or set DATABASE_URL to a PostgreSQL database"
        )


def make_bot(settings: Settings, database: Database, role: Role, *, sample: bool = True) -> Bot:
    """The bot of this process. Raises Misconfigured with every mistake of the configuration."""
    configuration = load_house(settings)
    _log_warnings(configuration)
    roster = set_up(settings, configuration, sample=sample)
    share = _share(role) if database.shared else None
    model = _model(settings, database, configuration.prices)
    outside = accounts(settings)
    channels = by_scheme((*CHANNELS, *(account.channel for account in outside)))
    bot = bootstrap(database, roster, model, channels, share=share)
    bot.closers += [account.close for account in outside]
    return bot


def _log_warnings(configuration: Configuration) -> None:
    for one in configuration.warnings:
        log(
            Action.CONFIGURATION_DOUBTED,
            level="warning",
            file=one.file,
            line=one.line,
            key=one.key,
            warning=one.message,
        )


def make_folder() -> None:
    """Ours alone: it holds secrets and all that was said."""
    try:
        FOLDER.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise Misconfigured(f"cannot make {FOLDER} here: {error.strerror}; start in a folder you may write") from error


def heed_signals(numbers: tuple[int, ...], stop: Callable[[], None]) -> None:
    """The first signal asks us to stop, the second insists."""
    loop = asyncio.get_running_loop()
    asked = False

    def heed(number: int) -> None:
        nonlocal asked
        if asked:
            os._exit(128 + number)  # as shells say it; what was under way is taken up by others or the next start
        asked = True
        stop()

    for number in numbers:
        loop.add_signal_handler(number, heed, number)


def leave_what_hangs() -> None:
    """Everything is closed; a tool that does not end would keep us waiting. The next start finds out what it did."""
    if threading.active_count() > 1:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def _share(role: Role) -> Share:
    process = Process(
        fresh_id(), role.name, socket.gethostname(), os.getpid(), role.queues, role.concurrency, utc_now()
    )
    return Share(process, dict.fromkeys(role.queues, role.concurrency))


def _model(settings: Settings, database: Database, prices: Mapping[str, Price]) -> Model:
    """Commands answer first; what they do not know goes to the configured endpoint, if there is one."""
    if settings.openai_api_key is None and settings.openai_base_url is None:
        return CommandModel()
    from agents.openai_model import DEFAULT_MODEL  # noqa: PLC0415 - 0.5 s nobody offline should wait for
    from bot.model_client import open_model  # noqa: PLC0415 - as above

    name = settings.openai_model or DEFAULT_MODEL
    try:
        openai = open_model(settings)
    except Misconfigured as error:
        return CommandModel(UnusableModel(name, str(error)))
    return CommandModel(SharedModel(PricedModel(openai, prices), name, Pauses(database), settings.openai_concurrency))
