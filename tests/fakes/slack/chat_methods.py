"""Web API methods that post, update and delete messages."""

import re
from typing import Any

from tests.fakes.slack import events
from tests.fakes.slack.api_error import ApiError
from tests.fakes.slack.limits import check_blocks
from tests.fakes.slack.message import Json, Message
from tests.fakes.slack.workspace import Channel, Workspace

_MAX_TEXT_LENGTH = 40_000
_MAX_UPDATE_LENGTH = 4_000
_TS = re.compile(r"\d{10}\.\d{6}")


def post_message(workspace: Workspace, args: Json) -> Json:
    channel = _get_channel(workspace, args)
    message = _create_message(workspace, channel, args)
    workspace.add_message(message)
    events.announce_message(workspace, message)
    shape = message.to_payload(has_metadata=True)
    return {"channel": channel.id, "ts": message.ts, "message": shape}


def post_ephemeral(workspace: Workspace, args: Json) -> Json:
    """Post an ephemeral message; in a thread without replies it is not shown.

    Source: docs.slack.dev/reference/methods/chat.postEphemeral.
    """
    channel = _get_channel(workspace, args)
    if args.get("user") not in workspace.people or not channel.is_visible_to(args["user"]):
        raise ApiError("user_not_in_channel")
    message = _create_message(workspace, channel, args)
    message.ephemeral_to = args["user"]
    message.is_deleted = (
        message.thread_ts is not None and len(workspace.thread_messages(channel.id, message.thread_ts)) == 1
    )
    workspace.add_message(message)
    return {"message_ts": message.ts}


def update_message(workspace: Workspace, args: Json) -> Json:
    """Update a message. Omitted fields stay unchanged: buttons disappear only with new blocks."""
    message = get_own_message(workspace, args, "cant_update_message")
    if message.is_streaming:
        raise ApiError("streaming_state_conflict")
    if len(args.get("text") or "") > _MAX_UPDATE_LENGTH:
        raise ApiError("msg_too_long")
    _check_arguments(args)
    before = message.to_payload()
    _apply_arguments(workspace, message, args)
    workspace.condition.notify_all()
    events.announce_change(workspace, message, before)
    return {"channel": message.channel, "ts": message.ts, "text": message.text, "message": message.to_payload()}


def delete_message(workspace: Workspace, args: Json) -> Json:
    message = get_own_message(workspace, args, "cant_delete_message")
    if message.is_streaming:
        raise ApiError("cant_delete_message")
    message.is_deleted = True
    workspace.condition.notify_all()
    events.announce_deletion(workspace, message)
    return {"channel": message.channel, "ts": message.ts}


def _get_channel(workspace: Workspace, args: Json) -> Channel:
    target = args.get("channel")
    if target in workspace.people:
        return workspace.get_direct_channel(target)
    return workspace.get_accessible_channel(target)


def checked_thread_ts(workspace: Workspace, channel: Channel, args: Json) -> str | None:
    """Return the thread to reply in. Stricter than Slack, which accepts the ts of a reply and starts another thread."""
    thread_ts = args.get("thread_ts")
    if thread_ts is None:
        return None
    if not _TS.fullmatch(str(thread_ts)):
        raise ApiError("invalid_thread_ts")
    parent = workspace.find_message(channel.id, thread_ts)
    if parent is None or parent.root_ts != thread_ts:
        raise ApiError("cannot_reply_to_message")
    return str(thread_ts)


def _create_message(workspace: Workspace, channel: Channel, args: Json) -> Message:
    thread_ts = checked_thread_ts(workspace, channel, args)
    _check_arguments(args)
    message = create_empty_message(workspace, channel, thread_ts)
    _apply_arguments(workspace, message, {**args, "text": (args.get("text") or "")[:_MAX_TEXT_LENGTH]})
    return message


def create_empty_message(workspace: Workspace, channel: Channel, thread_ts: str | None) -> Message:
    """Return an empty message of the bot."""
    app = workspace.app
    message = Message(channel.id, workspace.new_ts(), "", user=app.user, thread_ts=thread_ts, is_from_bot=True)
    profile = {"id": app.bot, "app_id": app.id, "name": app.name, "team_id": app.team, "deleted": False}
    message.extra_fields = {"bot_id": app.bot, "app_id": app.id, "team": app.team, "bot_profile": profile}
    return message


def _apply_arguments(workspace: Workspace, message: Message, args: Json) -> None:
    message.text = args.get("text", message.text)
    message.blocks = workspace.add_block_ids(args.get("blocks", message.blocks))
    message.attachments = args.get("attachments", message.attachments)
    message.metadata = args.get("metadata", message.metadata)


def _check_arguments(args: Json) -> None:
    if not (args.get("text") or args.get("blocks") or args.get("attachments")):
        raise ApiError("no_text")
    check_blocks(args.get("blocks") or [])
    check_metadata(args.get("metadata"))


def check_metadata(metadata: Any) -> None:
    """Raise ApiError if the metadata does not have its two fields."""
    if metadata is not None and not (isinstance(metadata, dict) and {"event_type", "event_payload"} <= metadata.keys()):
        raise ApiError("invalid_metadata_format")


def get_own_message(workspace: Workspace, args: Json, error: str) -> Message:
    """Return a message of the bot. Raises ApiError, with code `error` for a message of another author."""
    message = workspace.find_message(workspace.get_accessible_channel(args.get("channel")).id, args.get("ts"))
    if message is None:
        raise ApiError("message_not_found")
    if not message.is_from_bot:
        raise ApiError(error)
    return message
