"""Outgoing mail as files, for an installation without a mail server."""

import asyncio
import logging
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from agents.core.errors import Unavailable

_UNSAFE_CHARACTER = re.compile(r"[^A-Za-z0-9@._+=-]")


@dataclass(frozen=True)
class FileTransport:
    """Transport that writes each mail to `MESSAGE-ID.eml` in a folder, and logs the path.

    The Message-ID is the same at each attempt, so that another attempt replaces the file.
    """

    folder: Path

    async def send(self, mail: bytes, *, sender: str, recipient: str, message_id: str) -> None:  # noqa: ARG002 - both are in the mail
        """Write the file completely or not at all. Raises Unavailable if the folder cannot be written."""
        path = self.path_of(message_id)
        try:
            await asyncio.to_thread(_write_atomically, path, mail)
        except OSError as error:
            raise Unavailable(f"{self.folder}: the mail cannot be written: {error.strerror}") from error
        logging.getLogger("handrail.email").info(
            "message_written", extra={"fields": {"channel": "email", "path": str(path)}}
        )

    def path_of(self, message_id: str) -> Path:
        """Return the path of the file for a Message-ID."""
        return self.folder / f"{_UNSAFE_CHARACTER.sub('_', message_id.strip('<>'))}.eml"


def _write_atomically(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")  # readable by the owner only
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
