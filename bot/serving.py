"""`handrail up`: everything in one process on SQLite, from an empty folder to a clean stop."""

import asyncio
import gc
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from agents.command_model import CommandModel
from agents.errors import Misconfigured
from agents.model import Model
from agents.pricing import Price, PricedModel
from bot.generated_secrets import api_tokens, secret_key
from bot.house import load_house, set_up
from bot.local_database import bring_up_to_date, revision, url_of
from bot.log import Action, configure_logging, log
from bot.settings import FOLDER, Settings, load_settings
from bot.web.app import create_app
from bot.web.principal import Credential
from bot.web.server import Server, listener
from bot.wiring import Bot, bootstrap
from channels.registry import by_scheme
from storage.database import Database
from storage.schema import HEAD

_YOUNG = 50_000  # allocations; at the usual 700 the collector takes a tenth of the time under load
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""The first asks us to stop, the second insists."""


@dataclass(frozen=True)
class Wishes:
    """Options of the command line. `port` 0 takes any free one, None leaves it to the environment."""

    port: int | None = None
    sample: bool = True


@dataclass(frozen=True)
class Place:
    """Where the server is found; `usual` when commands of this folder find it without being told."""

    address: str
    port: int
    usual: bool


class _Server(Server):
    """Leaves the signals to us: uvicorn would raise them again once it has stopped, and end us before the bot has."""

    when_listening: Callable[[], None]

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.when_listening()


def serve(wishes: Wishes, announce: Callable[[Place], None]) -> None:
    """Run until a signal comes. `announce` is told where, once everything works.

    Raises Misconfigured when something is missing, wrong, or in use by another process.
    """
    settings = load_settings(overrides=_overrides(wishes.port))
    configure_logging(settings.log_level, settings.log_format, color=not settings.no_color)
    _make_folder()
    database = _opened(url_of(settings))
    try:
        door = listener(settings.host, 0 if wishes.port == 0 else settings.port)
        settings = load_settings(overrides=_overrides(door.getsockname()[1]))
        bot = _bot(settings, database, sample=wishes.sample)
        server = _Server(create_app(bot, _credentials(settings)))
    except BaseException:
        database.close()
        raise
    server.when_listening = lambda: announce(_place(settings))
    asyncio.run(_serve(bot, server, door))


def _overrides(port: int | None) -> dict[str, str]:
    return {"PORT": str(port)} if port else {}


def _make_folder() -> None:
    """Ours alone: it holds secrets and all that was said."""
    try:
        FOLDER.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise Misconfigured(f"cannot make {FOLDER} here: {error.strerror}; start in a folder you may write") from error


def _opened(url: str) -> Database:
    """The database in the form we need. Raises Misconfigured when another process has it."""
    if revision(url) != HEAD:
        bring_up_to_date(url)
    return Database.open(url)


def _bot(settings: Settings, database: Database, *, sample: bool) -> Bot:
    configuration = load_house(settings)
    roster = set_up(settings, configuration, sample=sample)
    return bootstrap(database, roster, _model(settings, configuration.prices), by_scheme())


def _model(settings: Settings, prices: Mapping[str, Price]) -> Model:
    """Commands answer first; what they do not know goes to the configured endpoint, if there is one."""
    if settings.openai_api_key is None and settings.openai_base_url is None:
        return CommandModel()
    from agents.openai_model import DEFAULT_MODEL, OpenAIModel  # noqa: PLC0415 - 0.5 s nobody offline should wait for

    key = settings.openai_api_key.get_secret_value() if settings.openai_api_key else ""
    model = OpenAIModel(key, settings.openai_base_url, settings.openai_model or DEFAULT_MODEL)
    return CommandModel(PricedModel(model, prices))


def _credentials(settings: Settings) -> list[Credential]:
    """Who may use the API. Whoever can read the generated token sits at this machine, and may speak for everybody."""
    secret_key(settings)
    generated = not settings.handrail_api_tokens
    return [Credential(token, admin=generated) for token in api_tokens(settings)]


async def _serve(bot: Bot, server: _Server, door: socket.socket) -> None:
    """Whoever knocks before the bot has started waits at the door: nobody is let in before."""
    _heed_signals(server)
    await bot.start()
    _calm_collector()
    log(Action.SERVER_STARTED, port=door.getsockname()[1])
    try:
        await server.serve(sockets=[door])
    finally:
        log(Action.SERVER_STOPPING)
        await bot.stop()
        log(Action.SERVER_STOPPED)
    _leave_what_hangs()


def _calm_collector() -> None:
    """What was made for the start stays for good: the collector need not look at it again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, 20, 50)


def _heed_signals(server: Server) -> None:
    loop = asyncio.get_running_loop()

    def stop(number: int) -> None:
        if server.should_exit:
            os._exit(128 + number)  # as shells say it; what was under way is taken up by the next start
        server.should_exit = True

    for number in _SIGNALS:
        loop.add_signal_handler(number, stop, number)


def _leave_what_hangs() -> None:
    """Everything is closed; a tool that does not end would keep us waiting. The next start finds out what it did."""
    if threading.active_count() > 1:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def _place(settings: Settings) -> Place:
    usual = load_settings().handrail_url == f"http://127.0.0.1:{settings.port}"
    return Place(_address(settings.host, settings.port), settings.port, usual)


def _address(host: str, port: int) -> str:
    """The web address as a person on this machine types it."""
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared with, not listened on
    shown = everywhere.get(host, host)
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"
