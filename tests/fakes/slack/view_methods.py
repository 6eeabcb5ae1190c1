"""Web API methods that open views and direct message channels."""

from tests.fakes.slack.api_error import ApiError
from tests.fakes.slack.message import Json
from tests.fakes.slack.view import View, check_view
from tests.fakes.slack.workspace import Workspace


def open_view(workspace: Workspace, args: Json) -> Json:
    """Open a modal for the user of the trigger."""
    content = check_view(args.get("view"), "modal")
    view = show_modal(workspace, workspace.use_trigger(args.get("trigger_id")), content)
    return {"view": view_payload(workspace, view)}


def publish_view(workspace: Workspace, args: Json) -> Json:
    """Replace a user's Home tab."""
    if args.get("user_id") not in workspace.people:
        raise ApiError("user_not_found")
    content = check_view(args.get("view"), "home")
    view = View(workspace.new_id("V"), args["user_id"], workspace.new_id("hash"), content)
    workspace.home_views[view.user] = view
    workspace.condition.notify_all()
    return {"view": view_payload(workspace, view)}


def open_conversation(workspace: Workspace, args: Json) -> Json:
    """Open a direct message channel with one user; the fake supports no group messages."""
    if args.get("users") not in workspace.people:
        raise ApiError("user_not_found")
    known = f"D{args['users'][1:]}" in workspace.channels
    return {"channel": {"id": workspace.get_direct_channel(args["users"]).id}, "no_op": known, "already_open": known}


def show_modal(workspace: Workspace, user: str, content: Json) -> View:
    """Store an open modal of the user."""
    content = {**content, "blocks": workspace.add_block_ids(content["blocks"])}
    view = View(workspace.new_id("V"), user, workspace.new_id("hash"), content)
    workspace.views[view.id] = view
    workspace.condition.notify_all()
    return view


def view_payload(workspace: Workspace, view: View) -> Json:
    return view.to_payload(workspace.app.id, workspace.app.bot, workspace.app.team)
