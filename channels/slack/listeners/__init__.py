"""Listeners for what Slack sends. The receiver commits what they report before Slack's request is acknowledged."""
