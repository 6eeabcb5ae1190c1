"""Channels for tests: the channels of this repository that need no settings."""

from channels.base import Channel, PullChannel
from channels.rest import RestChannel
from channels.terminal import TerminalChannel


def channels_by_scheme() -> dict[str, Channel | PullChannel]:
    """Return the terminal and the REST channel by the scheme of their addresses."""
    return {channel.scheme: channel for channel in (TerminalChannel(), RestChannel())}
