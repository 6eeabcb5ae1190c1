"""A Handrail process: open its database, build its bot, handle signals and the end of the process.

`handrail worker` and `handrail clock` run in one that executes jobs and does not serve HTTP.
"""

import asyncio
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from agents.core.errors import ConfigurationError
from agents.llm.base import Model, Price, PricedModel
from agents.llm.offline.model import CommandModel
from bot.bootstrap import Bot, QueueAssignment, bootstrap
from bot.channel_host import ChannelHost, build_plugins, channels_by_scheme, connect_plugins
from bot.config.database import database_revision, database_url, migrate_database
from bot.config.installation import build_roster, load_installation
from bot.config.loader import Configuration
from bot.config.model_client import UnusableModel
from bot.config.secrets import load_secret_key
from bot.config.settings import DATA_DIR, Settings, load_settings
from bot.execution.model_limits import RateLimitedModel, RateLimitGate
from bot.log import LogEvent, configure_logging, log
from bot.services.answer_links import AnswerLinks
from bot.services.ids import generate_id, utc_now
from storage.database.database import Database
from storage.database.postgres import is_postgres
from storage.database.schema import HEAD_REVISION
from storage.jobs import Queue
from storage.processes import Process


@dataclass(frozen=True)
class ProcessRole:
    """Kind of process: its name, its job queues, and the number of concurrent jobs of each.

    A standalone role does all work, may use a SQLite file, and migrates the database.
    """

    name: str
    queues: tuple[Queue, ...] = ()
    concurrency: int = 0
    is_standalone: bool = False


def open_database(settings: Settings, role: ProcessRole) -> Database:
    """Open the database; a standalone role migrates it first.

    Raises ConfigurationError when the role cannot share the database, or when it has to be migrated.
    """
    create_data_dir()
    url = database_url(settings)
    if not role.is_standalone:
        reject_sqlite(url, role)
    if role.is_standalone and database_revision(url) != HEAD_REVISION:
        migrate_database(url)
    return Database.open(url)


def reject_sqlite(url: str, role: ProcessRole) -> None:
    """Raise ConfigurationError for a SQLite database: processes cannot share it."""
    if not is_postgres(url):
        raise ConfigurationError(
            f"SQLite is for one process: `handrail {role.name}` cannot share it with others. Use `handrail up`, which "
            "does the work of all processes, or set DATABASE_URL to a PostgreSQL database"
        )


def build_bot(
    settings: Settings, database: Database, role: ProcessRole, *, may_use_sample_repository: bool = True
) -> Bot:
    """Build the bot of this process. Raises ConfigurationError with all mistakes of the configuration."""
    installation = load_installation(settings)
    configuration = installation.configuration
    _log_warnings(configuration)
    roster = build_roster(settings, installation, may_use_sample_repository=may_use_sample_repository)
    assignment = _queue_assignment(role) if database.is_multi_process else None
    model = _build_model(settings, database, configuration.prices)
    plugins = build_plugins(settings)
    links = AnswerLinks(database, load_secret_key(settings).get_secret_value().encode(), settings.public_url)
    bot = bootstrap(database, roster, model, channels_by_scheme(plugins), assignment=assignment, answer_links=links)
    connect_plugins(bot, plugins)
    return bot


def _log_warnings(configuration: Configuration) -> None:
    for warning in configuration.warnings:
        log(
            LogEvent.CONFIGURATION_WARNING,
            level="warning",
            file=warning.file,
            line=warning.line,
            key=warning.key,
            warning=warning.message,
        )


def create_data_dir() -> None:
    """Create the data folder, readable only by its owner because it holds secrets and conversations.

    Raises ConfigurationError when the folder cannot be created.
    """
    try:
        DATA_DIR.mkdir(mode=0o700, exist_ok=True)
    except FileExistsError as error:
        raise ConfigurationError(f"a file named {DATA_DIR} is in the way of the data folder; move it") from error
    except OSError as error:
        raise ConfigurationError(
            f"cannot create {DATA_DIR} here: {error.strerror}; start in a folder that you can write to"
        ) from error


def install_signal_handlers(signals: tuple[int, ...], stop: Callable[[], None]) -> None:
    """Call `stop` on the first signal; exit at once on the second."""
    loop = asyncio.get_running_loop()
    is_stopping = False

    def handle_signal(number: int) -> None:
        nonlocal is_stopping
        if is_stopping:
            # The status is the one that shells report. Other processes, or the next start, continue unfinished work.
            os._exit(128 + number)
        is_stopping = True
        stop()

    for number in signals:
        loop.add_signal_handler(number, handle_signal, number)


def exit_if_tools_hang() -> None:
    """Exit at once if a tool runs in an OS thread, for which Python would wait. The next start recovers the call."""
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
    """Return a model that handles known commands itself and sends anything else to the configured model, if any."""
    if settings.openai_api_key is None and settings.openai_base_url is None:
        return CommandModel()
    from agents.llm.openai.model import DEFAULT_MODEL  # noqa: PLC0415 - saves 0.5 s if no model is configured
    from bot.config.model_client import open_model  # noqa: PLC0415 - as above

    name = settings.openai_model or DEFAULT_MODEL
    try:
        openai = open_model(settings)
    except ConfigurationError as error:
        return CommandModel(UnusableModel(name, str(error)))
    return CommandModel(
        RateLimitedModel(PricedModel(openai, prices), name, RateLimitGate(database), settings.openai_concurrency)
    )


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
    asyncio.run(run_until_stopped(bot, lambda: on_ready(role)))


async def run_until_stopped(bot: Bot, on_ready: Callable[[], None], host: ChannelHost | None = None) -> None:
    """Run the bot, and the services of a host, until a signal arrives. Call `on_ready` when they have started.

    Raises ConfigurationError of a service.
    """
    stop_event = asyncio.Event()
    install_signal_handlers((signal.SIGINT, signal.SIGTERM), stop_event.set)
    await bot.start()
    try:
        if host is not None:
            await host.start()
        log(LogEvent.WORKER_STARTED)
        on_ready()
        await stop_event.wait()
        log(LogEvent.WORKER_STOPPING)
    finally:
        if host is not None:
            await host.stop()
        await bot.stop()
        log(LogEvent.WORKER_STOPPED)
    exit_if_tools_hang()
