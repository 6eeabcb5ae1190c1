"""Registry of the channels of this repository, and of those of other distributions."""

from collections.abc import Iterator
from functools import cache
from importlib import import_module

from agents.core.errors import ConfigurationError
from channels.address_format import AddressFormat
from channels.email.config import EmailSettings
from channels.installed import BuiltChannel, build_installed, list_installed_formats
from channels.slack.config import SlackSettings
from channels.sms.config import SmsSettings

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
    own_channels = [_build(package, settings) for package in CHANNEL_PACKAGES]
    yield from own_channels
    own_schemes = {own.scheme for own in list_own_formats()}
    yield from build_installed(settings, {own.name for own in own_channels}, own_schemes)


def _build(package: str, settings: ChannelSettings) -> BuiltChannel:
    name, build = package.rpartition(".")[2], import_module(package).build
    try:
        return BuiltChannel(name, package, build(settings))
    except ConfigurationError as error:
        return BuiltChannel(name, package, error=error)
