"""The methods of the Web API that open something for one person: views, conversations, a line on what the bot does."""

from tests.fakes.slack.message import Json
from tests.fakes.slack.refused import Refused
from tests.fakes.slack.view import View, check_view
from tests.fakes.slack.workspace import Workspace


def open_view(workspace: Workspace, args: Json) -> Json:
    """A modal, for whoever caused the trigger."""
    content = check_view(args.get("view"), "modal")
    view = shown(workspace, workspace.spend(args.get("trigger_id")), content)
    return {"view": shape(workspace, view)}


def publish_view(workspace: Workspace, args: Json) -> Json:
    """A person's home tab, in place of what was there."""
    if args.get("user_id") not in workspace.people:
        raise Refused("user_not_found")
    content = check_view(args.get("view"), "home")
    view = View(workspace.new_id("V"), args["user_id"], workspace.new_id("hash"), content)
    workspace.homes[view.user] = view
    workspace.bell.ring()
    return {"view": shape(workspace, view)}


def open_conversation(workspace: Workspace, args: Json) -> Json:
    """With one person: the bot knows no groups."""
    if args.get("users") not in workspace.people:
        raise Refused("user_not_found")
    known = f"D{args['users'][1:]}" in workspace.channels
    return {"channel": {"id": workspace.direct(args["users"]).id}, "no_op": known, "already_open": known}


def set_status(workspace: Workspace, args: Json) -> Json:
    """What the bot is doing, under a thread; an empty status takes the line away."""
    channel = workspace.channel(args.get("channel_id"))
    if workspace.find(channel.id, args.get("thread_ts")) is None:
        raise Refused("invalid_thread_ts")
    workspace.statuses[channel.id, args["thread_ts"]] = args.get("status") or ""
    workspace.bell.ring()
    return {}


def shown(workspace: Workspace, user: str, content: Json) -> View:
    """A modal as it stands before the person."""
    content = {**content, "blocks": workspace.with_ids(content["blocks"])}
    view = View(workspace.new_id("V"), user, workspace.new_id("hash"), content)
    workspace.views[view.id] = view
    workspace.bell.ring()
    return view


def shape(workspace: Workspace, view: View) -> Json:
    return view.shape(workspace.app.id, workspace.app.bot, workspace.app.team)
