"""File lock that ends with its process: a SQLite database may be used by one process only (ADR 0006)."""

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from agents.errors import ConfigurationError


@dataclass
class FileLock:
    """Advisory lock, held until it is released or the process ends in any way."""

    path: Path
    _descriptor: int | None

    @classmethod
    def acquire(cls, path: Path) -> Self:
        """Take the lock without waiting. Raises ConfigurationError if it is taken or the folder is not writable."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigurationError(
                f"cannot write {path.parent}: {error.strerror}; check its owner and rights"
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            raise ConfigurationError(
                f"another Handrail process is using {_database_path(path)}; stop it first, or use the running one"
            ) from error
        return cls(path, descriptor)

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _database_path(lock_file: Path) -> Path:
    """Return the path of the database file that belongs to the lock file."""
    database, folder = lock_file.with_suffix(""), Path.cwd()
    return database.relative_to(folder) if database.is_relative_to(folder) else database
