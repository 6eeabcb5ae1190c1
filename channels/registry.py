"""The channels of this process: one line each."""

from collections.abc import Mapping

from channels.base import Channel, Reader
from channels.rest import RestChannel
from channels.terminal import TerminalChannel

CHANNELS: tuple[Channel | Reader, ...] = (TerminalChannel(), RestChannel())


def by_scheme(channels: tuple[Channel | Reader, ...] = CHANNELS) -> Mapping[str, Channel | Reader]:
    """Each channel under the scheme of its addresses."""
    return {channel.scheme: channel for channel in channels}
