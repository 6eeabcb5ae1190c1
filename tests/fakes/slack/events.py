"""Events that Slack sends about messages, and their payloads."""

from collections.abc import Iterator

from tests.fakes.slack.message import Json, Message
from tests.fakes.slack.workspace import Workspace


def announce_message(workspace: Workspace, message: Message) -> None:
    """Send the events of a new message; a mention in a channel is sent as two events with the same `ts`."""
    for event in _message_events(workspace, message):
        workspace.send_event(event)


def announce_change(workspace: Workspace, message: Message, previous: Json) -> None:
    """Send the event of a changed message: an edit, or a link preview that Slack added."""
    shapes = {"message": message.to_payload(), "previous_message": previous}
    workspace.send_event({**_hidden_message_event(workspace, message, "message_changed"), **shapes})


def announce_deletion(workspace: Workspace, message: Message) -> None:
    """Send the event of a deleted message, with its previous content."""
    shapes = {"deleted_ts": message.ts, "previous_message": message.to_payload()}
    workspace.send_event({**_hidden_message_event(workspace, message, "message_deleted"), **shapes})


def forwarded_attachment(workspace: Workspace, message: Message) -> Json:
    """Return the attachment with which Slack forwards a message."""
    profile = workspace.people.get(message.user or "", {})
    name = profile.get("real_name") or message.extra_fields.get("username", "")
    location = {"channel": message.channel, "ts": message.ts, "team": workspace.app.team}
    inner = {"blocks": message.blocks, "attachments": message.attachments}
    url = f"https://fake.slack.com/archives/{message.channel}/p{message.ts.replace('.', '')}"
    about = {"author_name": name, "author_id": message.user, "author_subname": name, "channel_id": message.channel}
    return {
        "ts": message.ts, **about, "channel_team": workspace.app.team, "is_msg_unfurl": True, "is_share": True,
        "message_blocks": [{**location, "message": {k: v for k, v in inner.items() if v}}], "id": 1,
        "original_url": url, "from_url": url, "fallback": f"[January 2nd, 2026] {name}: {message.text}",
        "text": message.text, "author_link": f"https://fake.slack.com/team/{message.user}",
        "mrkdwn_in": ["text"], "footer": "Thread in Slack",
    }  # fmt: skip


def _message_events(workspace: Workspace, message: Message) -> Iterator[Json]:
    channel = workspace.channels[message.channel]
    event = {**message.to_payload(), "channel": message.channel, "event_ts": message.ts}
    if channel.kind == "channel" and f"<@{workspace.app.user}>" in message.text and not message.is_from_bot:
        yield {**event, "type": "app_mention"}
    if channel.has_bot:
        parent = workspace.find_message(message.channel, message.thread_ts)
        parent_user = {"parent_user_id": parent.user} if parent and parent.user else {}
        yield {**event, **parent_user, "channel_type": channel.kind}


def _hidden_message_event(workspace: Workspace, message: Message, subtype: str) -> Json:
    ts, channel = workspace.new_ts(), workspace.channels[message.channel]
    location = {"channel": channel.id, "channel_type": channel.kind}
    return {"type": "message", "subtype": subtype, "hidden": True, **location, "ts": ts, "event_ts": ts}
