"""Web API methods that stream a message.

The errors are those of chat.startStream, chat.appendStream and chat.stopStream under docs.slack.dev/reference/methods.
"""

from tests.fakes.slack import events
from tests.fakes.slack.agent_methods import SESSION_STATUSES
from tests.fakes.slack.api_error import ApiError
from tests.fakes.slack.chat_methods import check_metadata, checked_thread_ts, create_empty_message, get_own_message
from tests.fakes.slack.limits import check_blocks
from tests.fakes.slack.message import Json, Message, Stream
from tests.fakes.slack.workspace import Channel, Workspace

_MAX_TEXT_LENGTH = 12_000


def start_stream(workspace: Workspace, args: Json) -> Json:
    """Start a streamed reply."""
    channel = workspace.get_accessible_channel(args.get("channel"))
    if args.get("thread_ts") is None:
        raise ApiError("invalid_arguments", "missing required field: thread_ts [json-pointer:/thread_ts]")
    message = create_empty_message(workspace, channel, checked_thread_ts(workspace, channel, args))
    message.stream = Stream(_recipient(workspace, channel, args), [])
    _append_text(message, args)
    workspace.add_message(message)
    events.announce_message(workspace, message)
    return {"channel": channel.id, "ts": message.ts}


def append_stream(workspace: Workspace, args: Json) -> Json:
    """Append text to a stream."""
    message, stream = _get_open_stream(workspace, args)
    if stream.state == "stopped":
        raise ApiError("stopped_by_user")
    if not args.get("markdown_text"):
        raise ApiError("no_text")
    _append_text(message, args)
    workspace.condition.notify_all()
    return {"channel": message.channel, "ts": message.ts}


def stop_stream(workspace: Workspace, args: Json) -> Json:
    """End a stream, with blocks below its text; this also works after a user has stopped it."""
    message, stream = _get_open_stream(workspace, args)
    check_blocks(args.get("blocks") or [])
    check_metadata(args.get("metadata"))
    before = message.to_payload()
    if args.get("session_status") in SESSION_STATUSES:
        workspace.sessions[message.channel, message.root_ts] = args["session_status"]
    _append_text(message, args)
    message.blocks = workspace.add_block_ids(args.get("blocks") or [])
    message.metadata = args.get("metadata")
    stream.state = "ended"
    workspace.condition.notify_all()
    events.announce_change(workspace, message, before)
    return {"channel": message.channel, "ts": message.ts, "message": message.to_payload()}


def _recipient(workspace: Workspace, channel: Channel, args: Json) -> str | None:
    """Return the user to whom the stream is shown in a channel; other members see only the final message."""
    if channel.kind == "im":
        return None
    person = workspace.people.get(args.get("recipient_user_id", ""))
    for name in ("recipient_team_id", "recipient_user_id"):
        if not args.get(name):
            raise ApiError(f"missing_{name}")
    if person is None:
        raise ApiError("user_not_found")
    if person["team_id"] != args["recipient_team_id"]:
        raise ApiError("team_not_found")
    return str(person["id"])


def _get_open_stream(workspace: Workspace, args: Json) -> tuple[Message, Stream]:
    message = get_own_message(workspace, args, "message_not_owned_by_app")
    if message.stream is None or message.stream.state == "ended":
        raise ApiError("message_not_in_streaming_state")
    return message, message.stream


def _append_text(message: Message, args: Json) -> None:
    assert message.stream is not None
    if "chunks" in args:
        raise ApiError("invalid_chunks", "the fake supports only markdown_text")
    text = args.get("markdown_text") or ""
    if len(text) > _MAX_TEXT_LENGTH:
        raise ApiError("msg_too_long")
    message.stream.chunks.append(text)
    message.text += text
