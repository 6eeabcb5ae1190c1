"""The methods of the Web API that open something for one person: views and conversations."""

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


def shown(workspace: Workspace, user: str, content: Json) -> View:
    """A modal as it stands before the person."""
    content = {**content, "blocks": workspace.with_ids(content["blocks"])}
    view = View(workspace.new_id("V"), user, workspace.new_id("hash"), content)
    workspace.views[view.id] = view
    workspace.bell.ring()
    return view


def shape(workspace: Workspace, view: View) -> Json:
    return view.shape(workspace.app.id, workspace.app.bot, workspace.app.team)
