"""`handrail up` and `handrail web`: a process that answers HTTP."""

import asyncio
import gc
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bot.assembly import Role, heed_signals, leave_what_hangs, make_bot, open_database
from bot.generated_secrets import api_tokens, secret_key
from bot.log import Action, configure_logging, log
from bot.settings import Settings, load_settings
from bot.web.app import create_app
from bot.web.connections import LoopErrors
from bot.web.principal import Credential
from bot.web.server import Server, listener
from bot.web.ways_in import WaysIn, ways_in_of
from bot.wiring import Bot
from storage.jobs import QUEUES

UP = Role("up", queues=QUEUES, concurrency=32, alone=True)
WEB = Role("web")

_YOUNG = 50_000  # allocations; at the usual 700 the collector takes a tenth of the time under load
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True)
class Wishes:
    """Options of the command line. `port` 0 takes any free one, None leaves it to the environment."""

    port: int | None = None
    sample: bool = True
    role: Role = UP


@dataclass(frozen=True)
class Place:
    """Where the server is found; `usual` when commands of this folder find it without being told."""

    address: str
    port: int
    usual: bool


class _Server(Server):
    """Leaves the signals to us: uvicorn would raise them again once it has stopped, and end us before the bot has."""

    when_listening: Callable[[], None]

    def stop(self) -> None:
        self.should_exit = True

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
    database = open_database(settings, wishes.role)
    try:
        door = listener(settings.host, 0 if wishes.port == 0 else settings.port)
        settings = load_settings(overrides=_overrides(door.getsockname()[1]))
        bot = make_bot(settings, database, wishes.role, sample=wishes.sample)
        ways_in = ways_in_of(settings, bot)
        server = _Server(create_app(bot, _credentials(settings), doors=ways_in.routes))
    except BaseException:
        asyncio.run(database.close())
        raise
    server.when_listening = lambda: announce(_place(settings))
    asyncio.run(_serve(bot, server, door, ways_in))


def _overrides(port: int | None) -> dict[str, str]:
    return {"PORT": str(port)} if port else {}


def _credentials(settings: Settings) -> list[Credential]:
    """Who may use the API. Whoever can read the generated token sits at this machine, and may speak for everybody."""
    secret_key(settings)
    generated = not settings.handrail_api_tokens
    return [Credential(token, admin=generated) for token in api_tokens(settings)]


async def _serve(bot: Bot, server: _Server, door: socket.socket, ways_in: WaysIn) -> None:
    """Whoever knocks before the bot has started waits at the door: nobody is let in before."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(LoopErrors(loop.time))
    heed_signals(_SIGNALS, server.stop)
    await bot.start()
    ways_in.start()
    _calm_collector()
    log(Action.SERVER_STARTED, port=door.getsockname()[1])
    try:
        await server.serve(sockets=[door])
    finally:
        log(Action.SERVER_STOPPING)
        await ways_in.stop()
        await bot.stop()
        log(Action.SERVER_STOPPED)
    leave_what_hangs()


def _calm_collector() -> None:
    """What was made for the start stays for good: the collector need not look at it again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, 20, 50)


def _place(settings: Settings) -> Place:
    usual = load_settings().handrail_url == f"http://127.0.0.1:{settings.port}"
    return Place(_address(settings.host, settings.port), settings.port, usual)


def _address(host: str, port: int) -> str:
    """The web address as a person on this machine types it."""
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared with, not listened on
    shown = everywhere.get(host, host)
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"
