"""Persistence: threads and their events, requests, inbox, outbox. Only `storage.database.database` commits."""
