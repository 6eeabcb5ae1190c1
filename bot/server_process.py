"""`handrail up` and `handrail web`: a process that serves HTTP."""

import asyncio
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bot.api.app import build_channel_routes, create_app
from bot.api.auth import Credential
from bot.api.server import EventLoopErrorHandler, Server, open_listen_socket
from bot.bootstrap import Bot
from bot.channel_host import BotRuntime, ChannelHost
from bot.config.secrets import load_api_tokens
from bot.config.settings import Settings, load_settings
from bot.log import LogEvent, configure_logging, log
from bot.process import ProcessRole, build_bot, exit_if_tools_hang, install_signal_handlers, open_database
from storage.jobs import QUEUES

UP_ROLE = ProcessRole("up", queues=QUEUES, concurrency=32, is_standalone=True)
WEB_ROLE = ProcessRole("web")

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True)
class ServeOptions:
    """Command-line options. Port 0 means any free port, None the one from the environment."""

    port: int | None = None
    may_use_sample_repository: bool = True
    role: ProcessRole = UP_ROLE


@dataclass(frozen=True)
class ServerAddress:
    """Address of the server. `is_default`: commands run in this folder find it without any option."""

    url: str
    port: int
    is_default: bool


class _Server(Server):
    """Server without uvicorn's signal handling, which would end this process before the bot has stopped."""

    on_listening: Callable[[], None]

    def stop(self) -> None:
        self.should_exit = True

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.on_listening()


def serve(options: ServeOptions, on_ready: Callable[[ServerAddress], None]) -> None:
    """Run until a signal arrives. Call `on_ready` with the address once the server accepts requests.

    Raises ConfigurationError when a setting is missing or invalid, or when the port or the database is in use.
    """
    settings = load_settings(overrides=_overrides(options.port))
    configure_logging(settings.log_level, settings.log_format, color=not settings.no_color)
    database = open_database(settings, options.role)
    try:
        listen_socket = open_listen_socket(settings.host, 0 if options.port == 0 else settings.port)
        settings = load_settings(overrides=_overrides(listen_socket.getsockname()[1]))
        bot = build_bot(settings, database, options.role, may_use_sample_repository=options.may_use_sample_repository)
        host = ChannelHost(bot.plugins, BotRuntime(bot), has_listeners=options.role.is_standalone)
        routes = tuple(build_channel_routes(host.plugins, host.runtime))
        server = _Server(create_app(bot, _credentials(settings), channel_routes=routes))
    except BaseException:
        asyncio.run(database.close())
        raise
    server.on_listening = lambda: on_ready(_server_address(settings))
    asyncio.run(_serve(bot, server, listen_socket, host))


def _overrides(port: int | None) -> dict[str, str]:
    return {"PORT": str(port)} if port else {}


def _credentials(settings: Settings) -> list[Credential]:
    """Return the API credentials. A generated token can only be read on this machine, so it may act for all people."""
    is_generated = not settings.handrail_api_tokens
    return [Credential(token, is_admin=is_generated) for token in load_api_tokens(settings)]


async def _serve(bot: Bot, server: _Server, listen_socket: socket.socket, host: ChannelHost) -> None:
    """Start the bot, then serve. The socket already listens, so earlier connections wait until the bot has started."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(EventLoopErrorHandler(loop.time))
    install_signal_handlers(_STOP_SIGNALS, server.stop)
    await bot.start()
    try:
        await host.start()
        log(LogEvent.SERVER_STARTED, port=listen_socket.getsockname()[1])
        await server.serve(sockets=[listen_socket])
    finally:
        log(LogEvent.SERVER_STOPPING)
        await host.stop()
        await bot.stop()
        log(LogEvent.SERVER_STOPPED)
    exit_if_tools_hang()


def _server_address(settings: Settings) -> ServerAddress:
    is_default = load_settings().handrail_url == f"http://127.0.0.1:{settings.port}"
    return ServerAddress(_browser_url(settings.host, settings.port), settings.port, is_default)


def _browser_url(host: str, port: int) -> str:
    """Return the web address to open in a browser on this machine."""
    loopback_hosts = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared with, not listened on
    browser_host = loopback_hosts.get(host, host)
    return f"http://[{browser_host}]:{port}" if ":" in browser_host else f"http://{browser_host}:{port}"
