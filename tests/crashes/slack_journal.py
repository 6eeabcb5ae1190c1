"""Messages in the fake Slack as entries of the journal of sent messages."""

from typing import Any

from tests.fakes.slack.message import Message
from tests.fakes.slack.slack import FakeSlack


def posted_messages(slack: FakeSlack) -> list[dict[str, Any]]:
    """Return each part of each public message of the bot, with its outbox id.

    The entries have one pid, so a message posted again by another process counts as a repetition.
    """
    from_bot = [message for message in slack.workspace.messages if message.is_from_bot and message.ephemeral_to is None]
    return [_entry(message) for message in from_bot]


def _entry(message: Message) -> dict[str, Any]:
    outbox_part = (message.metadata or {}).get("event_payload", {})
    kind, ref = "card" if message.controls else "message", f"{message.channel}:{message.ts}"
    key = f"{outbox_part.get('outbox_id')} part {outbox_part.get('part')}"
    return {"key": key, "kind": kind, "to": "slack", "ref": ref, "text": message.visible_text, "pid": 0}
