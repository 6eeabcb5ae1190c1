"""Host of the channel plugins of one process: builds them, gives them a runtime, starts and stops their services."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from agents.core.errors import ConfigurationError
from bot.bootstrap import Bot
from bot.config.secrets import load_secret_key
from bot.config.settings import Settings
from bot.log import Level, LogEvent, log
from bot.services.retry import next_retry_at
from channels.base import Channel, Plugin, PullChannel, Receiver, Runtime, Service
from channels.registry import BuiltChannel, build_channels
from channels.stored_input import InputResult, StoredInput

ProcessInput = Callable[[StoredInput, Runtime], Awaitable[InputResult]]

SERVICE_STOP_TIMEOUT_SECONDS = 4.0
"""Limit for the end of a service. The port asks for three seconds; the rest is a margin for a busy machine."""


def build_plugins(settings: Settings) -> dict[str, Plugin]:
    """Build the plugins of all channels, by channel name. A channel that cannot work here is logged and left out.

    Raises ConfigurationError if a setting of a channel of this repository is missing or invalid.
    """
    settings = settings.model_copy(update={"secret_key": load_secret_key(settings)})
    plugins = ((built.name, _usable_plugin(built)) for built in build_channels(settings))
    return {name: plugin for name, plugin in plugins if plugin is not None}


def _usable_plugin(built: BuiltChannel) -> Plugin | None:
    if isinstance(built.error, ConfigurationError) and not built.is_external:
        raise built.error
    if built.error is not None:
        log(LogEvent.CHANNEL_NOT_STARTED, level="error", channel=built.name, error=built.error, trace=built.error)
        return None
    if built.plugin is not None and built.plugin.problem is not None:
        log(LogEvent.CHANNEL_NOT_STARTED, level="error", channel=built.name)
    return built.plugin if built.plugin is not None and built.plugin.channel is not None else None


def channels_by_scheme(plugins: Mapping[str, Plugin]) -> dict[str, Channel | PullChannel]:
    """Return the channels of the plugins by the scheme of their addresses."""
    return {plugin.channel.scheme: plugin.channel for plugin in plugins.values() if plugin.channel is not None}


@dataclass(frozen=True)
class BotRuntime:
    """Implementation of `channels.base.Runtime`: time, waits, loops and problems are those of the bot."""

    bot: Bot
    runs_only_listeners: bool = False

    @property
    def receiver(self) -> Receiver:
        return self.bot.receiver

    def now(self) -> datetime:
        return self.bot.clock.now()

    async def sleep(self, seconds: float, wake_event: asyncio.Event) -> None:
        await self.bot.supervisor.sleep(self.now() + timedelta(seconds=seconds), wake_event)

    async def back_off(self, attempt: int, wake_event: asyncio.Event) -> None:
        await self.bot.supervisor.sleep(next_retry_at(attempt, self.bot.clock.jitter(), self.now()), wake_event)

    async def supervise(self, name: str, loop: Callable[[], Awaitable[None]], stop_event: asyncio.Event) -> None:
        await self.bot.supervisor.supervise(name, loop, stop_event)

    def report_problem(self, name: str, problem: str | None) -> None:
        if problem is None:
            self.bot.channel_errors.pop(name, None)
        else:
            self.bot.channel_errors[name] = problem

    def log(self, event: str, *, level: Level = "info", **fields: Any) -> None:
        try:
            log_event = LogEvent(event)
        except ValueError:
            raise TypeError(f"{event[:40]}: not a member of bot.log.LogEvent") from None
        log(log_event, level=level, **fields)


def connect_plugins(bot: Bot, plugins: Mapping[str, Plugin]) -> None:
    """Let the bot use these plugins: process the inputs that they have stored, and close their connections at the end.

    Call it before the bot starts.
    """
    bot.plugins, runtime = plugins, BotRuntime(bot)
    bot.closers += [plugin.close for plugin in plugins.values() if plugin.close is not None]
    for plugin in plugins.values():
        if plugin.process_input is not None and plugin.channel is not None:
            bot.input_runner.processors[plugin.channel.scheme] = partial(_process_input, plugin.process_input, runtime)


async def _process_input(process_input: ProcessInput, runtime: Runtime, stored: StoredInput) -> InputResult:
    return await process_input(stored, runtime)


@dataclass(frozen=True)
class ChannelHost:
    """The services of the plugins in one process. Start it after the bot and stop it before the bot.

    A process that serves HTTP runs `services`. One that receives on other ports, such as for SMTP, runs `listeners`.
    """

    plugins: Mapping[str, Plugin]
    runtime: Runtime
    has_services: bool = True
    has_listeners: bool = False
    _started: list[tuple[str, Service]] = field(default_factory=list)

    async def start(self) -> None:
        """Start all services. Raises ConfigurationError of a service, after which those that run must be stopped.

        A service with any other error is left out: it is logged, and `/readyz` shows it.
        """
        for name, plugin in self.plugins.items():
            for service in self._services_of(plugin):
                await self._start_service(name, service)

    def _services_of(self, plugin: Plugin) -> tuple[Service, ...]:
        return (plugin.services if self.has_services else ()) + (plugin.listeners if self.has_listeners else ())

    async def _start_service(self, name: str, service: Service) -> None:
        self._started.append((name, service))
        try:
            await service.start(self.runtime)
        except ConfigurationError:
            raise
        except Exception as error:  # noqa: BLE001 - the other channels work without it
            log(LogEvent.CHANNEL_NOT_STARTED, level="error", channel=name, error=error, trace=error)
            self.runtime.report_problem(f"service:{name}", f"could not be started: {type(error).__name__}; see the log")

    async def stop(self) -> None:
        """Stop all services at the same time. Failures are logged."""
        services, self._started[:] = self._started[:], []
        await asyncio.gather(*(_stop_service(name, service) for name, service in services))


async def _stop_service(name: str, service: Service) -> None:
    try:
        async with asyncio.timeout(SERVICE_STOP_TIMEOUT_SECONDS):
            await service.stop()
    except Exception as error:  # noqa: BLE001 - the other services must be stopped too
        log(LogEvent.BACKGROUND_TASK_FAILED, level="error", channel=name, error=error, trace=error)
