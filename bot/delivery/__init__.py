"""Delivery of outbox messages to channels, and feedback while an agent works."""
