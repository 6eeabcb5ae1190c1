"""The past, kept: threads and their events, requests, inbox, outbox. Only `storage.database` commits."""
