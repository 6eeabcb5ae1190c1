"""Message as the fake Slack stores it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

Json = dict[str, Any]


@dataclass
class Stream:
    """Stream of a message. `recipient` is the user for whom it is shown; None in a direct message."""

    recipient: str | None
    chunks: list[str]
    state: Literal["open", "stopped", "ended"] = "open"
    """After a user has stopped a stream, the bot can end it but not append to it."""


@dataclass(eq=False)
class Message:
    """Message of a user, of the bot or of another bot. `is_seen` means that the test has looked at it."""

    channel: str
    ts: str
    text: str
    user: str | None = None
    thread_ts: str | None = None
    blocks: list[Json] = field(default_factory=list)
    attachments: list[Json] = field(default_factory=list)
    metadata: Json | None = None
    extra_fields: Json = field(default_factory=dict)
    """Fields that only some messages have: `client_msg_id`, `bot_id`, `subtype`, `edited`."""
    ephemeral_to: str | None = None
    stream: Stream | None = None
    is_from_bot: bool = False
    is_seen: bool = False
    is_deleted: bool = False

    @property
    def root_ts(self) -> str:
        """The `ts` of the root message of its thread, which may be this message."""
        return self.thread_ts or self.ts

    @property
    def visible_text(self) -> str:
        """Text and texts of all blocks."""
        return "\n".join([self.text, *iter_texts(self.blocks)])

    @property
    def is_streaming(self) -> bool:
        """Whether the stream is still open."""
        return self.stream is not None and self.stream.state == "open"

    @property
    def controls(self) -> list[Json]:
        """Buttons and select menus, each with the `block_id` of its block."""
        return [
            {"block_id": block.get("block_id", ""), **element}
            for block in self.blocks
            for element in [*block.get("elements", []), block.get("accessory", {})]
            if element.get("type") in ("button", "static_select")
        ]

    def to_payload(self, *, has_metadata: bool = False) -> Json:
        """Return the message as in a Web API response or an event."""
        fields = {"type": "message", "user": self.user, "text": self.text, "ts": self.ts, "thread_ts": self.thread_ts}
        lists = {"blocks": self.blocks, "attachments": self.attachments}
        metadata = {"metadata": self.metadata} if has_metadata and self.metadata else {}
        return {key: value for key, value in {**fields, **lists, **self.extra_fields, **metadata}.items() if value}


def iter_texts(node: Any) -> Iterator[str]:
    """Yield all texts in blocks, at any depth."""
    if isinstance(node, list):
        for item in node:
            yield from iter_texts(item)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key == "text" and isinstance(value, str):
                yield value
            else:
                yield from iter_texts(value)
