"""Ledgers: what the outside saw. They only grow, a JSON line for each deed, on the disk before anybody goes on."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Ledger:
    """One file of entries; several processes may write it, since a line goes out in one piece."""

    path: Path

    def enter(self, **entry: Any) -> None:
        line = json.dumps(entry).encode() + b"\n"
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, line)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def entries(self) -> list[dict[str, Any]]:
        if not self.path.exists():
            return []
        return [json.loads(line) for line in self.path.read_text(encoding="utf-8").splitlines()]


@dataclass(frozen=True)
class Ledgers:
    """All that was seen from outside: deeds of tools, messages a channel took, what clients were answered."""

    folder: Path

    @property
    def deeds(self) -> Ledger:
        return Ledger(self.folder / "deeds.jsonl")

    @property
    def sent(self) -> Ledger:
        return Ledger(self.folder / "sent.jsonl")

    @property
    def answers(self) -> Ledger:
        return Ledger(self.folder / "answers.jsonl")
