"""The channels of this process: one line each."""

from collections.abc import Mapping

from channels.base import Channel, PullChannel
from channels.rest import RestChannel
from channels.terminal import TerminalChannel

CHANNELS: tuple[Channel | PullChannel, ...] = (TerminalChannel(), RestChannel())


def channels_by_scheme(channels: tuple[Channel | PullChannel, ...] = CHANNELS) -> Mapping[str, Channel | PullChannel]:
    """Each channel under the scheme of its addresses."""
    return {channel.scheme: channel for channel in channels}
