"""Slack channel: people give instructions and decide requests in channels, threads and direct messages."""

from channels.slack.config import SlackSettings


def build(_settings: SlackSettings) -> None:
    """Return no plugin: `bot/slack` connects the channel."""
