"""Registry of the channels: those of this repository, one line in each list, and those of other distributions."""

from collections.abc import Iterator
from functools import cache
from importlib import import_module

from agents.core.errors import ConfigurationError
from channels.address_format import AddressFormat
from channels.email.addresses import ADDRESS_FORMAT as EMAIL_ADDRESSES
from channels.email.config import EmailSettings
from channels.installed import BuiltChannel, build_installed, list_installed_formats, schemes_of
from channels.rest.addresses import ADDRESS_FORMAT as REST_ADDRESSES
from channels.slack.addresses import ADDRESS_FORMAT as SLACK_ADDRESSES
from channels.slack.config import SlackSettings
from channels.sms.addresses import ADDRESS_FORMAT as SMS_ADDRESSES
from channels.sms.config import SmsSettings
from channels.terminal.addresses import ADDRESS_FORMAT as TERMINAL_ADDRESSES

CHANNEL_PACKAGES = (
    "channels.terminal",
    "channels.rest",
)
"""Packages with a function `build`, imported only when the plugins are built."""


class ChannelSettings(EmailSettings, SmsSettings, SlackSettings):
    """Settings of all channels of this repository."""


_ADDRESS_FORMATS = (SLACK_ADDRESSES, EMAIL_ADDRESSES, SMS_ADDRESSES, TERMINAL_ADDRESSES, REST_ADDRESSES)


@cache
def list_address_formats() -> tuple[AddressFormat, ...]:
    """Return the formats of the addresses of all channels. They do not depend on whether a channel is set up."""
    return (*_ADDRESS_FORMATS, *list_installed_formats(_ADDRESS_FORMATS))


def build_channels(settings: ChannelSettings) -> Iterator[BuiltChannel]:
    """Build the plugins of all channels. `secret_key` of the settings must be set.

    The error of a channel of this repository is a ConfigurationError; one of another distribution may be any.
    """
    own_channels = []
    for package in CHANNEL_PACKAGES:
        own_channels.append(_build(package, settings))
        yield own_channels[-1]
    schemes = {own.scheme for own in _ADDRESS_FORMATS}.union(*map(schemes_of, own_channels))
    yield from build_installed(settings, schemes)


def _build(package: str, settings: ChannelSettings) -> BuiltChannel:
    name, build = package.rpartition(".")[2], import_module(package).build
    try:
        return BuiltChannel(name, package, build(settings))
    except ConfigurationError as error:
        return BuiltChannel(name, package, error=error)
