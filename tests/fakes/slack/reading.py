"""The methods of the Web API that tell what there is."""

from tests.fakes.slack.message import Json, Message
from tests.fakes.slack.refused import Refused
from tests.fakes.slack.workspace import Workspace


def auth_test(workspace: Workspace, args: Json) -> Json:
    app = workspace.app
    bot = {"user": app.name, "user_id": app.user, "bot_id": app.bot, **({"app_id": app.id} if app.tells_its_id else {})}
    return {
        "url": "https://fake.slack.com/",
        "team": "Fake",
        "team_id": app.team,
        **bot,
        "is_enterprise_install": False,
    }


def users_info(workspace: Workspace, args: Json) -> Json:
    if args.get("user") not in workspace.people:
        raise Refused("user_not_found")
    return {"user": workspace.people[args["user"]]}


def replies(workspace: Workspace, args: Json) -> Json:
    """A thread, oldest first; its root comes before everything else."""
    channel = workspace.channel(args.get("channel"))
    thread = workspace.in_thread(channel.id, args.get("ts") or "")
    if not thread:
        raise Refused("thread_not_found")
    return _page(workspace, thread, args)


def history(workspace: Workspace, args: Json) -> Json:
    """A channel, newest first, without what was said in threads."""
    channel = workspace.channel(args.get("channel"))
    roots = [message for message in workspace.in_channel(channel.id) if message.root == message.ts]
    return _page(workspace, roots[::-1], args)


def _page(workspace: Workspace, messages: list[Message], args: Json) -> Json:
    within = [message for message in messages if _within(message, args)]
    begin, size = int(args.get("cursor") or 0), int(args.get("limit") or 100)
    more = len(within) > begin + size
    with_metadata = str(args.get("include_all_metadata", "")).lower() in ("1", "true")
    shapes = [_with_replies(workspace, message, with_metadata) for message in within[begin : begin + size]]
    cursor = {"response_metadata": {"next_cursor": str(begin + size)}} if more else {}
    return {"messages": shapes, "has_more": more, **cursor}


def _within(message: Message, args: Json) -> bool:
    oldest, latest = args.get("oldest") or "0000000000.000000", args.get("latest") or "9999999999.999999"
    if message.ts in (oldest, latest):
        return str(args.get("inclusive", "")).lower() in ("1", "true")
    return bool(oldest < message.ts < latest)


def _with_replies(workspace: Workspace, message: Message, with_metadata: bool) -> Json:
    shape = message.shape(with_metadata=with_metadata)
    answers = [m for m in workspace.in_thread(message.channel, message.ts) if m is not message]
    if not answers:
        return shape
    return {**shape, "thread_ts": message.ts, "reply_count": len(answers), "latest_reply": answers[-1].ts}
