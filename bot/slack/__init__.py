"""Slack integration: handlers that turn Slack events into messages and answers, and reply to people."""
