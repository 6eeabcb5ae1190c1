"""Checks whether a database is usable, without writing to it."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection

from agents.core.errors import StoreUnavailable
from storage.database.postgres import is_postgres
from storage.database.schema import read_revision_in
from storage.database.sqlite import sqlite_path

MIN_FREE_BYTES = 16 * 1024 * 1024
"""Maximum size of the WAL file before a checkpoint (`wal_autocheckpoint`): a commit may need this much space."""

FreeBytesProbe = Callable[[Path], int]


def free_bytes(folder: Path) -> int:
    """Return the free space in bytes on the disk of a folder."""
    return shutil.disk_usage(folder).free


def check_accepts_writes(connection: Connection) -> None:
    """Read from the database. Raises StoreUnavailable if it is read-only."""
    read_revision_in(connection)
    query = "PRAGMA query_only" if connection.dialect.name == "sqlite" else "SHOW transaction_read_only"
    if connection.exec_driver_sql(query).scalar() in (1, "on"):
        raise StoreUnavailable("the database is read-only: give this user the right to write to it")


def check_disk_space(url: str, probe: FreeBytesProbe = free_bytes) -> None:
    """Raise StoreUnavailable if a SQLite file is not writable, or its disk is full."""
    if is_postgres(url):
        return
    path = sqlite_path(url)
    if not os.access(path, os.W_OK):
        raise StoreUnavailable(f"the database is read-only: give this user the right to write {path}")
    if probe(path.parent) < MIN_FREE_BYTES:
        raise StoreUnavailable("the disk is full: free some space; Handrail then continues automatically")
