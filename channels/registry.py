"""The channels of this process: one line each."""

from collections.abc import Mapping

from channels.base import Channel
from channels.rest import RestChannel
from channels.terminal import TerminalChannel

CHANNELS: tuple[Channel, ...] = (TerminalChannel(), RestChannel())


def by_scheme(channels: tuple[Channel, ...] = CHANNELS) -> Mapping[str, Channel]:
    return {channel.scheme: channel for channel in channels}
