"""The methods of the Web API that write a message bit by bit while somebody reads along.

Errors as docs.slack.dev/reference/methods lists them under chat.startStream, chat.appendStream and chat.stopStream.
"""

from tests.fakes.slack import happenings
from tests.fakes.slack.agent_view import SESSION
from tests.fakes.slack.limits import check_blocks
from tests.fakes.slack.message import Json, Message, Stream
from tests.fakes.slack.posting import check_metadata, empty, own, thread_of
from tests.fakes.slack.refused import Refused
from tests.fakes.slack.workspace import Channel, Workspace

_LONGEST = 12_000


def start(workspace: Workspace, args: Json) -> Json:
    """A reply of which more is to come."""
    channel = workspace.channel(args.get("channel"))
    if args.get("thread_ts") is None:
        raise Refused("invalid_arguments", "missing required field: thread_ts [json-pointer:/thread_ts]")
    message = empty(workspace, channel, thread_of(workspace, channel, args))
    message.stream = Stream(_reader(workspace, channel, args), [])
    _add(message, args)
    workspace.keep(message)
    happenings.said(workspace, message)
    return {"channel": channel.id, "ts": message.ts}


def append(workspace: Workspace, args: Json) -> Json:
    """More of it."""
    message, stream = _unfinished(workspace, args)
    if stream.state == "stopped":
        raise Refused("stopped_by_user")
    if not args.get("markdown_text"):
        raise Refused("no_text")
    _add(message, args)
    workspace.bell.ring()
    return {"channel": message.channel, "ts": message.ts}


def stop(workspace: Workspace, args: Json) -> Json:
    """The end of it, with blocks below what was written; also where a person has stopped it before."""
    message, stream = _unfinished(workspace, args)
    check_blocks(args.get("blocks") or [])
    check_metadata(args.get("metadata"))
    before = message.shape()
    if args.get("session_status") in SESSION:
        workspace.sessions[message.channel, message.root] = args["session_status"]
    _add(message, args)
    message.blocks = workspace.with_ids(args.get("blocks") or [])
    message.metadata = args.get("metadata")
    stream.state = "ended"
    workspace.bell.ring()
    happenings.changed(workspace, message, before)
    return {"channel": message.channel, "ts": message.ts, "message": message.shape()}


def _reader(workspace: Workspace, channel: Channel, args: Json) -> str | None:
    """In a channel one person reads along, and everybody else at the end."""
    if channel.kind == "im":
        return None
    person = workspace.people.get(args.get("recipient_user_id", ""))
    for name in ("recipient_team_id", "recipient_user_id"):
        if not args.get(name):
            raise Refused(f"missing_{name}")
    if person is None:
        raise Refused("user_not_found")
    if person["team_id"] != args["recipient_team_id"]:
        raise Refused("team_not_found")
    return str(person["id"])


def _unfinished(workspace: Workspace, args: Json) -> tuple[Message, Stream]:
    message = own(workspace, args, "message_not_owned_by_app")
    if message.stream is None or message.stream.state == "ended":
        raise Refused("message_not_in_streaming_state")
    return message, message.stream


def _add(message: Message, args: Json) -> None:
    assert message.stream is not None
    if "chunks" in args:
        raise Refused("invalid_chunks", "the fake reads markdown_text alone")
    text = args.get("markdown_text") or ""
    if len(text) > _LONGEST:
        raise Refused("msg_too_long")
    message.stream.pieces.append(text)
    message.text += text
