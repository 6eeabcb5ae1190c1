"""The events Slack tells of what happens to messages: their shapes, and which of them there are."""

from collections.abc import Iterator

from tests.fakes.slack.message import Json, Message
from tests.fakes.slack.workspace import Workspace


def announce_message(workspace: Workspace, message: Message) -> None:
    """Somebody said something: a mention of the bot in a channel is told twice, as two events with the same `ts`."""
    for event in _message_events(workspace, message):
        workspace.send_event(event)


def announce_change(workspace: Workspace, message: Message, previous: Json) -> None:
    """By an edit, or by Slack itself when it unfolds a link."""
    shapes = {"message": message.to_payload(), "previous_message": previous}
    workspace.send_event({**_hidden_message_event(workspace, message, "message_changed"), **shapes})


def announce_deletion(workspace: Workspace, message: Message) -> None:
    """It is gone; the event tells what it was."""
    shapes = {"deleted_ts": message.ts, "previous_message": message.to_payload()}
    workspace.send_event({**_hidden_message_event(workspace, message, "message_deleted"), **shapes})


def forwarded_attachment(workspace: Workspace, message: Message) -> Json:
    """The attachment in which a message travels when somebody forwards it."""
    who = workspace.people.get(message.user or "", {})
    name = who.get("real_name") or message.extra_fields.get("username", "")
    place = {"channel": message.channel, "ts": message.ts, "team": workspace.app.team}
    inner = {"blocks": message.blocks, "attachments": message.attachments}
    url = f"https://fake.slack.com/archives/{message.channel}/p{message.ts.replace('.', '')}"
    about = {"author_name": name, "author_id": message.user, "author_subname": name, "channel_id": message.channel}
    return {
        "ts": message.ts, **about, "channel_team": workspace.app.team, "is_msg_unfurl": True, "is_share": True,
        "message_blocks": [{**place, "message": {k: v for k, v in inner.items() if v}}], "id": 1,
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
    place = {"channel": channel.id, "channel_type": channel.kind}
    return {"type": "message", "subtype": subtype, "hidden": True, **place, "ts": ts, "event_ts": ts}
