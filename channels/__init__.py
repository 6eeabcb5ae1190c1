"""Channels on which people talk to the bot, one module or package each. They import neither each other nor storage."""
