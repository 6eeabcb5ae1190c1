"""Web API methods that read messages, users and the app's identity."""

from tests.fakes.slack.api_error import ApiError
from tests.fakes.slack.message import Json, Message
from tests.fakes.slack.workspace import Channel, Workspace


def auth_test(workspace: Workspace, args: Json) -> Json:
    app = workspace.app
    bot = {
        "user": app.name,
        "user_id": app.user,
        "bot_id": app.bot,
        **({"app_id": app.id} if app.has_app_id_in_auth_test else {}),
    }
    if app.enterprise is None:
        team = {"team": "Fake", "team_id": app.team, "is_enterprise_install": False}
        return {"url": "https://fake.slack.com/", **team, **bot}
    teams = {"none": {}, "enterprise": {"team_id": app.enterprise}, "team": {"team_id": app.team}}
    org = {"team": "Fake Org", "enterprise_id": app.enterprise, "is_enterprise_install": True}
    return {"url": "https://fake.enterprise.slack.com/", **org, **teams[app.auth_test_team], **bot}


def users_info(workspace: Workspace, args: Json) -> Json:
    if args.get("user") not in workspace.people:
        raise ApiError("user_not_found")
    return {"user": workspace.people[args["user"]]}


def get_permalink(workspace: Workspace, args: Json) -> Json:
    """Return the URL of a message."""
    channel = _get_channel(workspace, args)
    message = workspace.find_message(channel.id, args.get("message_ts"))
    if message is None:
        raise ApiError("message_not_found")
    url = f"https://fake.slack.com/archives/{channel.id}/p{message.ts.replace('.', '')}"
    thread = f"?thread_ts={message.thread_ts}&cid={channel.id}" if message.thread_ts else ""
    return {"channel": channel.id, "permalink": url + thread}


def conversations_replies(workspace: Workspace, args: Json) -> Json:
    """Return a thread, oldest first, beginning with its root message."""
    channel = _get_channel(workspace, args)
    thread = workspace.thread_messages(channel.id, args.get("ts") or "")
    if not thread:
        raise ApiError("thread_not_found")
    return _page(workspace, thread, args)


def conversations_history(workspace: Workspace, args: Json) -> Json:
    """Return the messages of a channel, newest first, without replies in threads."""
    channel = _get_channel(workspace, args)
    roots = [message for message in workspace.channel_messages(channel.id) if message.root_ts == message.ts]
    return _page(workspace, roots[::-1], args)


def _get_channel(workspace: Workspace, args: Json) -> Channel:
    """Return the channel. Arguments in a JSON body count as missing (github.com/Yeachan-Heo/gajae-code/pull/3824)."""
    if "channel" not in args:
        raise ApiError("invalid_arguments")
    return workspace.get_accessible_channel(args["channel"])


def _page(workspace: Workspace, messages: list[Message], args: Json) -> Json:
    matching = [message for message in messages if _is_within(message, args)]
    begin, size = int(args.get("cursor") or 0), int(args.get("limit") or 100)
    has_more = len(matching) > begin + size
    with_metadata = str(args.get("include_all_metadata", "")).lower() in ("1", "true")
    payloads = [_with_replies(workspace, message, with_metadata) for message in matching[begin : begin + size]]
    cursor = {"response_metadata": {"next_cursor": str(begin + size)}} if has_more else {}
    return {"messages": payloads, "has_more": has_more, **cursor}


def _is_within(message: Message, args: Json) -> bool:
    oldest, latest = args.get("oldest") or "0000000000.000000", args.get("latest") or "9999999999.999999"
    if message.ts in (oldest, latest):
        return str(args.get("inclusive", "")).lower() in ("1", "true")
    return bool(oldest < message.ts < latest)


def _with_replies(workspace: Workspace, message: Message, with_metadata: bool) -> Json:
    payload = message.to_payload(has_metadata=with_metadata)
    replies = [m for m in workspace.thread_messages(message.channel, message.ts) if m is not message]
    if not replies:
        return payload
    return {**payload, "thread_ts": message.ts, "reply_count": len(replies), "latest_reply": replies[-1].ts}
