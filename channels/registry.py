"""Registry of the channels: the packages of this repository, and those of other distributions by entry point."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from agents.core.errors import ConfigurationError
from channels.base import Plugin
from channels.email.config import EmailSettings
from channels.slack.config import SlackSettings
from channels.sms.config import SmsSettings

CHANNEL_PACKAGES = (
    "channels.terminal",
    "channels.rest",
)
"""Packages of this repository with a function `build`, imported only when the plugins are built."""

ENTRY_POINT_GROUP = "handrail.channels"
"""Group of the entry points of other distributions. Each names a function `build`, or a package with one."""

_RESERVED_SCHEMES = frozenset({"agent", "person", "role"})


class ChannelSettings(EmailSettings, SmsSettings, SlackSettings):
    """Settings of all channels of this repository."""


@dataclass(frozen=True)
class BuiltChannel:
    """Result of building a channel: its plugin, None if the channel needs none here, or the error that prevented it.

    `package` is what `build` was imported from. An `is_external` channel belongs to another distribution.
    """

    name: str
    package: str
    plugin: Plugin | None = None
    error: Exception | None = None
    is_external: bool = False


def build_channels(settings: ChannelSettings) -> Iterator[BuiltChannel]:
    """Build the plugins of all channels. `secret_key` of the settings must be set.

    The error of a channel of this repository is a ConfigurationError; one of another distribution may be any.
    """
    schemes = set(_RESERVED_SCHEMES)
    for package in CHANNEL_PACKAGES:
        built = _build_own(package, settings)
        schemes |= _schemes_of(built.plugin)
        yield built
    for entry_point in sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda found: found.name):
        built = _build_external(entry_point, settings, schemes)
        schemes |= _schemes_of(built.plugin)
        yield built


def _build_own(package: str, settings: ChannelSettings) -> BuiltChannel:
    name, build = package.rpartition(".")[2], import_module(package).build
    try:
        return BuiltChannel(name, package, build(settings))
    except ConfigurationError as error:
        return BuiltChannel(name, package, error=error)


def _build_external(entry_point: EntryPoint, settings: ChannelSettings, taken_schemes: set[str]) -> BuiltChannel:
    name, package = entry_point.name, entry_point.value
    try:
        plugin = _find_build_function(entry_point.load())(settings)
        _check_plugin(plugin, taken_schemes)
    except Exception as error:  # noqa: BLE001 - the code of another distribution can fail in any way
        return BuiltChannel(name, package, error=error, is_external=True)
    return BuiltChannel(name, package, plugin, is_external=True)


def _find_build_function(loaded: Any) -> Callable[[ChannelSettings], Plugin | None]:
    build = loaded if callable(loaded) else getattr(loaded, "build", None)
    if not callable(build):
        raise TypeError("the entry point names neither a function nor a package with a function `build`")
    function: Callable[[ChannelSettings], Plugin | None] = build
    return function


def _check_plugin(plugin: Any, taken_schemes: set[str]) -> None:
    """Check what another distribution built. Raises TypeError or ValueError."""
    if plugin is not None and not isinstance(plugin, Plugin):
        raise TypeError("`build` must return a Plugin or None")
    if taken := _schemes_of(plugin) & taken_schemes:
        raise ValueError(f"the scheme {', '.join(taken)} belongs to another channel")


def _schemes_of(plugin: Plugin | None) -> set[str]:
    return set() if plugin is None or plugin.channel is None else {plugin.channel.scheme}
