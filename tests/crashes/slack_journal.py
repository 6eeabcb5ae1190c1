"""What the fake Slack took of a bot, as entries of the ledger of messages."""

from typing import Any

from tests.fakes.slack.message import Message
from tests.fakes.slack.slack import FakeSlack


def posted_messages(slack: FakeSlack) -> list[dict[str, Any]]:
    """Each part of each message that stands there for everybody, under its name in the outbox.

    To Slack all processes are one, so nobody may have posted one again.
    """
    ours = [message for message in slack.workspace.messages if message.is_from_bot and message.ephemeral_to is None]
    return [_entry(message) for message in ours]


def _entry(message: Message) -> dict[str, Any]:
    named = (message.metadata or {}).get("event_payload", {})
    kind, ref = "card" if message.controls else "message", f"{message.channel}:{message.ts}"
    key = f"{named.get('outbox_id')} part {named.get('part')}"
    return {"key": key, "kind": kind, "to": "slack", "ref": ref, "text": message.visible_text, "pid": 0}
