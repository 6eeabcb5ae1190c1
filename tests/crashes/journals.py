"""Journals of what happened outside the bot: append-only JSON lines, synced to the disk before the caller continues."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Journal:
    """One file of entries. Several processes may append, since each line is a single write."""

    path: Path

    def append(self, **entry: Any) -> None:
        line = json.dumps(entry).encode() + b"\n"
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, line)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def read_entries(self) -> list[dict[str, Any]]:
        if not self.path.exists():
            return []
        return [json.loads(line) for line in self.path.read_text(encoding="utf-8").splitlines()]


@dataclass(frozen=True)
class Journals:
    """All journals of a scenario: side effects of tools, sent messages, and HTTP responses."""

    folder: Path

    @property
    def side_effects(self) -> Journal:
        return Journal(self.folder / "side_effects.jsonl")

    @property
    def sent_messages(self) -> Journal:
        return Journal(self.folder / "sent_messages.jsonl")

    @property
    def http_responses(self) -> Journal:
        return Journal(self.folder / "http_responses.jsonl")
