"""A process of Handrail before it runs: its database, its bot, and how it ends."""

import asyncio
import os
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from agents.command_model import CommandModel
from agents.errors import ConfigurationError
from agents.model import Model
from agents.pricing import Price, PricedModel
from bot.bootstrap import Bot, QueueAssignment, bootstrap
from bot.config import Configuration
from bot.database_setup import database_revision, database_url, migrate_database
from bot.external_channels import open_external_channels
from bot.ids import generate_id, utc_now
from bot.installation import build_roster, load_installation
from bot.log import LogEvent, log
from bot.rate_limit_gate import RateLimitGate
from bot.rate_limited_model import RateLimitedModel
from bot.settings import DATA_DIR, Settings
from bot.unusable_model import UnusableModel
from channels.registry import CHANNELS, channels_by_scheme
from storage.database import Database
from storage.jobs import Queue
from storage.postgres import is_postgres
from storage.processes import Process
from storage.schema import HEAD_REVISION


@dataclass(frozen=True)
class ProcessRole:
    """What a process does of the common work: jobs of these queues, so many at once of each.

    `alone` is the role that does everything, and may have a SQLite file; it also migrates.
    """

    name: str
    queues: tuple[Queue, ...] = ()
    concurrency: int = 0
    is_standalone: bool = False


def open_database(settings: Settings, role: ProcessRole) -> Database:
    """The database in the form we need. Raises Misconfigured when it cannot be shared, or has to be migrated first."""
    create_data_dir()
    url = database_url(settings)
    if not role.is_standalone:
        reject_sqlite(url, role)
    if role.is_standalone and database_revision(url) != HEAD_REVISION:
        migrate_database(url)
    return Database.open(url)


def reject_sqlite(url: str, role: ProcessRole) -> None:
    """Raises Misconfigured for a file, which cannot be shared."""
    if not is_postgres(url):
        raise ConfigurationError(
            f"SQLite is for one process: `handrail {role.name}` cannot share it with the others. Use `handrail up`, "
            "which runs them all, or set DATABASE_URL to a PostgreSQL database"
        )


def build_bot(settings: Settings, database: Database, role: ProcessRole, *, may_use_sample: bool = True) -> Bot:
    """The bot of this process. Raises Misconfigured with every mistake of the configuration."""
    configuration = load_installation(settings)
    _log_warnings(configuration)
    roster = build_roster(settings, configuration, may_use_sample=may_use_sample)
    share = _queue_assignment(role) if database.is_multi_process else None
    model = _build_model(settings, database, configuration.prices)
    outside = open_external_channels(settings)
    channels = channels_by_scheme((*CHANNELS, *(account.channel for account in outside)))
    bot = bootstrap(database, roster, model, channels, assignment=share)
    bot.closers += [account.close for account in outside]
    return bot


def _log_warnings(configuration: Configuration) -> None:
    for one in configuration.warnings:
        log(
            LogEvent.CONFIGURATION_WARNING,
            level="warning",
            file=one.file,
            line=one.line,
            key=one.key,
            warning=one.message,
        )


def create_data_dir() -> None:
    """Ours alone: it holds secrets and all that was said."""
    try:
        DATA_DIR.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"cannot make {DATA_DIR} here: {error.strerror}; start in a folder you may write"
        ) from error


def install_signal_handlers(signals: tuple[int, ...], stop: Callable[[], None]) -> None:
    """The first signal asks us to stop, the second insists."""
    loop = asyncio.get_running_loop()
    asked = False

    def heed(number: int) -> None:
        nonlocal asked
        if asked:
            os._exit(128 + number)  # as shells say it; what was under way is taken up by others or the next start
        asked = True
        stop()

    for number in signals:
        loop.add_signal_handler(number, heed, number)


def exit_if_threads_hang() -> None:
    """Everything is closed; a tool that does not end would keep us waiting. The next start finds out what it did."""
    if threading.active_count() > 1:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def _queue_assignment(role: ProcessRole) -> QueueAssignment:
    process = Process(
        generate_id(), role.name, socket.gethostname(), os.getpid(), role.queues, role.concurrency, utc_now()
    )
    return QueueAssignment(process, dict.fromkeys(role.queues, role.concurrency))


def _build_model(settings: Settings, database: Database, prices: Mapping[str, Price]) -> Model:
    """Commands answer first; what they do not know goes to the configured endpoint, if there is one."""
    if settings.openai_api_key is None and settings.openai_base_url is None:
        return CommandModel()
    from agents.openai_model import DEFAULT_MODEL  # noqa: PLC0415 - 0.5 s nobody offline should wait for
    from bot.model_client import open_model  # noqa: PLC0415 - as above

    name = settings.openai_model or DEFAULT_MODEL
    try:
        openai = open_model(settings)
    except ConfigurationError as error:
        return CommandModel(UnusableModel(name, str(error)))
    return CommandModel(
        RateLimitedModel(PricedModel(openai, prices), name, RateLimitGate(database), settings.openai_concurrency)
    )
