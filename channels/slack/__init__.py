"""Slack channel: people give instructions and decide requests in channels, threads and direct messages."""
