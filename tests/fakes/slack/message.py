"""What somebody said, as Slack keeps it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

Json = dict[str, Any]


@dataclass
class Stream:
    """How a message came that was written bit by bit: for one `reader`, or for everybody in a direct message."""

    recipient: str | None
    chunks: list[str]
    state: Literal["open", "stopped", "ended"] = "open"
    """Stopped is what a person did; the bot may still end it, but add nothing."""


@dataclass(eq=False)
class Message:
    """By a person, by our bot or by another; `seen` is whether the story has looked at what our bot said."""

    channel: str
    ts: str
    text: str
    user: str | None = None
    thread_ts: str | None = None
    blocks: list[Json] = field(default_factory=list)
    attachments: list[Json] = field(default_factory=list)
    metadata: Json | None = None
    extra_fields: Json = field(default_factory=dict)
    """Fields that only some have: `client_msg_id`, `bot_id`, `subtype`, `edited`."""
    ephemeral_to: str | None = None
    stream: Stream | None = None
    is_from_bot: bool = False
    is_seen: bool = False
    is_deleted: bool = False

    @property
    def root_ts(self) -> str:
        """The `ts` of the message its thread hangs on, which may be itself."""
        return self.thread_ts or self.ts

    @property
    def visible_text(self) -> str:
        """All there is to read."""
        return "\n".join([self.text, *iter_texts(self.blocks)])

    @property
    def is_streaming(self) -> bool:
        """Whether more of it is to come."""
        return self.stream is not None and self.stream.state == "open"

    @property
    def controls(self) -> list[Json]:
        """Buttons and lists to choose from, each with the `block_id` of the block it stands in."""
        return [
            {"block_id": block.get("block_id", ""), **element}
            for block in self.blocks
            for element in [*block.get("elements", []), block.get("accessory", {})]
            if element.get("type") in ("button", "static_select")
        ]

    def to_payload(self, *, has_metadata: bool = False) -> Json:
        """As it stands in an answer of the Web API, or inside an event."""
        told = {"type": "message", "user": self.user, "text": self.text, "ts": self.ts, "thread_ts": self.thread_ts}
        lists = {"blocks": self.blocks, "attachments": self.attachments}
        metadata = {"metadata": self.metadata} if has_metadata and self.metadata else {}
        return {key: value for key, value in {**told, **lists, **self.extra_fields, **metadata}.items() if value}


def iter_texts(node: Any) -> Iterator[str]:
    """Every text in blocks, however deep."""
    if isinstance(node, list):
        for item in node:
            yield from iter_texts(item)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key == "text" and isinstance(value, str):
                yield value
            else:
                yield from iter_texts(value)
