"""The methods of the Web API that put messages into a channel, change them and take them away."""

import re
from typing import Any

from tests.fakes.slack import happenings
from tests.fakes.slack.limits import check_blocks
from tests.fakes.slack.message import Json, Message
from tests.fakes.slack.refused import Refused
from tests.fakes.slack.workspace import Channel, Workspace

_LONGEST = 40_000
_LONGEST_UPDATE = 4_000
_TS = re.compile(r"\d{10}\.\d{6}")


def post_message(workspace: Workspace, args: Json) -> Json:
    channel = _destination(workspace, args)
    message = _written(workspace, channel, args)
    workspace.keep(message)
    happenings.said(workspace, message)
    shape = message.shape(with_metadata=True)
    return {"channel": channel.id, "ts": message.ts, "message": shape}


def post_ephemeral(workspace: Workspace, args: Json) -> Json:
    """In a thread that has only its root nobody sees it (docs.slack.dev/reference/methods/chat.postEphemeral)."""
    channel = _destination(workspace, args)
    if args.get("user") not in workspace.people or not channel.has(args["user"]):
        raise Refused("user_not_in_channel")
    message = _written(workspace, channel, args)
    message.ephemeral_to = args["user"]
    message.gone = message.thread_ts is not None and len(workspace.in_thread(channel.id, message.thread_ts)) == 1
    workspace.keep(message)
    return {"message_ts": message.ts}


def update(workspace: Workspace, args: Json) -> Json:
    """What is not given stays as it was: buttons go only when blocks without them are given."""
    message = own(workspace, args, "cant_update_message")
    if message.streaming:
        raise Refused("streaming_state_conflict")
    if len(args.get("text") or "") > _LONGEST_UPDATE:
        raise Refused("msg_too_long")
    _check(args)
    before = message.shape()
    _rewrite(workspace, message, args)
    workspace.bell.ring()
    happenings.changed(workspace, message, before)
    return {"channel": message.channel, "ts": message.ts, "text": message.text, "message": message.shape()}


def delete(workspace: Workspace, args: Json) -> Json:
    message = own(workspace, args, "cant_delete_message")
    if message.streaming:
        raise Refused("cant_delete_message")
    message.gone = True
    workspace.bell.ring()
    happenings.deleted(workspace, message)
    return {"channel": message.channel, "ts": message.ts}


def _destination(workspace: Workspace, args: Json) -> Channel:
    where = args.get("channel")
    if where in workspace.people:
        return workspace.direct(where)
    return workspace.channel(where)


def thread_of(workspace: Workspace, channel: Channel, args: Json) -> str | None:
    """Where to reply. Stricter than Slack, which would make a thread of its own of what answers a reply."""
    thread_ts = args.get("thread_ts")
    if thread_ts is None:
        return None
    if not _TS.fullmatch(str(thread_ts)):
        raise Refused("invalid_thread_ts")
    parent = workspace.find(channel.id, thread_ts)
    if parent is None or parent.root != thread_ts:
        raise Refused("cannot_reply_to_message")
    return str(thread_ts)


def _written(workspace: Workspace, channel: Channel, args: Json) -> Message:
    thread_ts = thread_of(workspace, channel, args)
    _check(args)
    message = empty(workspace, channel, thread_ts)
    _rewrite(workspace, message, {**args, "text": (args.get("text") or "")[:_LONGEST]})
    return message


def empty(workspace: Workspace, channel: Channel, thread_ts: str | None) -> Message:
    """A message of our bot that says nothing yet."""
    app = workspace.app
    message = Message(channel.id, workspace.new_ts(), "", user=app.user, thread_ts=thread_ts, ours=True)
    profile = {"id": app.bot, "app_id": app.id, "name": app.name, "team_id": app.team, "deleted": False}
    message.more = {"bot_id": app.bot, "app_id": app.id, "team": app.team, "bot_profile": profile}
    return message


def _rewrite(workspace: Workspace, message: Message, args: Json) -> None:
    message.text = args.get("text", message.text)
    message.blocks = workspace.with_ids(args.get("blocks", message.blocks))
    message.attachments = args.get("attachments", message.attachments)
    message.metadata = args.get("metadata", message.metadata)


def _check(args: Json) -> None:
    if not (args.get("text") or args.get("blocks") or args.get("attachments")):
        raise Refused("no_text")
    check_blocks(args.get("blocks") or [])
    check_metadata(args.get("metadata"))


def check_metadata(metadata: Any) -> None:
    """Raises Refused for what has not its two fields."""
    if metadata is not None and not (isinstance(metadata, dict) and {"event_type", "event_payload"} <= metadata.keys()):
        raise Refused("invalid_metadata_format")


def own(workspace: Workspace, args: Json, not_ours: str) -> Message:
    """A message of our bot. Raises Refused, with `not_ours` for one of somebody else."""
    message = workspace.find(workspace.channel(args.get("channel")).id, args.get("ts"))
    if message is None:
        raise Refused("message_not_found")
    if not message.ours:
        raise Refused(not_ours)
    return message
