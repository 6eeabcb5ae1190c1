"""Registry of the channels that need no configuration."""

from collections.abc import Mapping

from channels.base import Channel, PullChannel
from channels.rest import RestChannel
from channels.terminal import TerminalChannel

CHANNELS: tuple[Channel | PullChannel, ...] = (TerminalChannel(), RestChannel())


def channels_by_scheme(channels: tuple[Channel | PullChannel, ...] = CHANNELS) -> Mapping[str, Channel | PullChannel]:
    """Return the channels by the scheme of their addresses."""
    return {channel.scheme: channel for channel in channels}
