"""Receiver and runtime for tests of the listeners: they keep the stored inputs in memory."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime

from channels.email.values import MailEnvelope
from channels.stored_input import RawInput

RECEIVED_AT = datetime(2026, 1, 2, 9, 0, tzinfo=UTC)


@dataclass
class RecordingReceiver:
    """Stores inputs by key. With an `error` it stores nothing; it waits until `may_commit` is set."""

    inputs: dict[str, RawInput] = field(default_factory=dict)
    error: Exception | None = None
    may_commit: asyncio.Event = field(default_factory=asyncio.Event)
    started: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.may_commit.set()

    async def store_input(self, raw_input: RawInput) -> bool:
        self.started.set()
        await self.may_commit.wait()
        if self.error is not None:
            raise self.error
        is_new = raw_input.key not in self.inputs
        self.inputs.setdefault(raw_input.key, raw_input)
        return is_new

    @property
    def mails(self) -> list[bytes]:
        return [stored.content for stored in self.inputs.values()]

    @property
    def envelopes(self) -> list[MailEnvelope]:
        return [MailEnvelope.from_metadata(stored.metadata) for stored in self.inputs.values()]


@dataclass
class RecordingRuntime:
    """Runtime with a fixed time, which keeps the log lines."""

    receiver: RecordingReceiver = field(default_factory=RecordingReceiver)
    lines: list[tuple[str, dict[str, object]]] = field(default_factory=list)
    runs_only_listeners: bool = False

    def now(self) -> datetime:
        return RECEIVED_AT

    def log(self, event: str, **fields: object) -> None:
        self.lines.append((event, fields))
