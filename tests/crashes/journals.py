"""Ledgers: what the outside saw. They only grow, a JSON line for each deed, on the disk before anybody goes on."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Journal:
    """One file of entries; several processes may write it, since a line goes out in one piece."""

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
    """All that was seen from outside: deeds of tools, messages a channel took, what clients were answered."""

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
