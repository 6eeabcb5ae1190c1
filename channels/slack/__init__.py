"""Slack: people ask and decide in channels, threads and direct messages."""
