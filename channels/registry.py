"""Registry of the channels: those of this repository, and those of other distributions, found by entry point.

The code of another distribution can fail in any way; its channel is then left out.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from agents.core.errors import ConfigurationError
from channels.address_format import AddressFormat
from channels.base import ENDPOINT_PREFIX, Plugin
from channels.email.config import EmailSettings
from channels.slack.config import SlackSettings
from channels.sms.config import SmsSettings

ENTRY_POINT_GROUP = "handrail.channels"
"""Group of the entry points. Each names a function `build`, or a package with one.

The module may have an `ADDRESS_FORMAT`; without one its addresses have the name of the entry point as their scheme.
"""

RESERVED_SCHEMES = frozenset({"agent", "person", "role", "system"})
"""Schemes of addresses that belong to no channel."""


@dataclass(frozen=True)
class BuiltChannel:
    """Result of building a channel: its plugin, None if `build` returned None, or the error that prevented it.

    `import_path` is what `build` was imported from. An `is_external` channel belongs to another distribution.
    """

    name: str
    import_path: str
    plugin: Plugin | None = None
    error: Exception | None = None
    is_external: bool = False


def build_installed(settings: Any, taken_names: Iterable[str], taken_schemes: Iterable[str]) -> Iterator[BuiltChannel]:
    """Build the channels of other distributions, whose names and schemes must not be taken."""
    names, schemes = set(taken_names), RESERVED_SCHEMES.union(taken_schemes)
    for entry_point in _list_entry_points():
        built = _build(entry_point, settings, names, schemes)
        names.add(built.name)
        if built.plugin is not None and built.plugin.channel is not None:
            schemes |= {built.plugin.channel.scheme}
        yield built


def _build(
    entry_point: EntryPoint, settings: Any, taken_names: Collection[str], taken_schemes: Collection[str]
) -> BuiltChannel:
    name, import_path = entry_point.name, entry_point.value
    try:
        _check_free("name", name, taken_names)
        plugin = _check_plugin(_find_build_function(entry_point.load())(settings))
        if plugin is not None and plugin.channel is not None:
            _check_free("scheme", plugin.channel.scheme, taken_schemes)
    except Exception as error:  # noqa: BLE001 - as the docstring of the module says
        return BuiltChannel(name, import_path, error=error, is_external=True)
    return BuiltChannel(name, import_path, plugin, is_external=True)


def _check_free(kind: str, value: str, taken: Collection[str]) -> None:
    if value in taken:
        raise ValueError(f"the {kind} {value} belongs to another channel")


def _check_plugin(plugin: Any) -> Plugin | None:
    if plugin is None:
        return None
    if not isinstance(plugin, Plugin):
        raise TypeError("`build` must return a Plugin or None")
    for endpoint in plugin.endpoints:
        if not endpoint.path.startswith(ENDPOINT_PREFIX):
            raise ValueError(f"the path {endpoint.path} must begin with {ENDPOINT_PREFIX}")
    return plugin


def _find_build_function(loaded: Any) -> Callable[[Any], Any]:
    build: Any = loaded if callable(loaded) else getattr(loaded, "build", None)
    if not callable(build):
        raise TypeError("the entry point names neither a function nor a package with a function `build`")
    function: Callable[[Any], Any] = build
    return function


def list_installed_formats(own_formats: Iterable[AddressFormat]) -> Iterator[AddressFormat]:
    """Yield the address formats of channels of other distributions. One that clashes with an own format is left out.

    A channel that is broken keeps its scheme, so that its addresses in `handrail.toml` are not mistakes.
    """
    own_formats = tuple(own_formats)
    schemes = RESERVED_SCHEMES.union(own.scheme for own in own_formats)
    keys = {"name", "roles"}.union(own.address_key.name for own in own_formats if own.address_key)
    for entry_point in _list_entry_points():
        found = _load_format(entry_point)
        key = found.address_key.name if found.address_key else entry_point.name
        if found.scheme not in schemes and key not in keys:
            schemes, keys = schemes | {found.scheme}, keys | {key}
            yield found


def _load_format(entry_point: EntryPoint) -> AddressFormat:
    try:
        found = getattr(import_module(entry_point.module), "ADDRESS_FORMAT", None)
    except Exception:  # noqa: BLE001 - building the channel reports it
        found = None
    return found if isinstance(found, AddressFormat) else AddressFormat(scheme=entry_point.name)


def _list_entry_points() -> list[EntryPoint]:
    return sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda found: found.name)


CHANNEL_PACKAGES = (
    "channels.slack",
    "channels.email",
    "channels.sms",
    "channels.terminal",
    "channels.rest",
)
"""Packages with a function `build`, and with an `ADDRESS_FORMAT` in their module `addresses`."""


class ChannelSettings(EmailSettings, SmsSettings, SlackSettings):
    """Settings of all channels of this repository."""


@cache
def list_own_formats() -> tuple[AddressFormat, ...]:
    """Return the formats of the addresses of the channels of this repository, also of those that are not set up."""
    return tuple(import_module(f"{package}.addresses").ADDRESS_FORMAT for package in CHANNEL_PACKAGES)


@cache
def list_address_formats() -> tuple[AddressFormat, ...]:
    """Return the formats of the addresses of all channels."""
    return (*list_own_formats(), *list_installed_formats(list_own_formats()))


def build_channels(settings: ChannelSettings) -> Iterator[BuiltChannel]:
    """Build the plugins of all channels. `secret_key` of the settings must be set.

    The error of a channel of this repository is a ConfigurationError; one of another distribution may be any.
    """
    own_channels = [_build_own(package, settings) for package in CHANNEL_PACKAGES]
    yield from own_channels
    own_schemes = {own.scheme for own in list_own_formats()}
    yield from build_installed(settings, {own.name for own in own_channels}, own_schemes)


def _build_own(package: str, settings: ChannelSettings) -> BuiltChannel:
    name, build = package.rpartition(".")[2], import_module(package).build
    try:
        return BuiltChannel(name, package, build(settings))
    except ConfigurationError as error:
        return BuiltChannel(name, package, error=error)
