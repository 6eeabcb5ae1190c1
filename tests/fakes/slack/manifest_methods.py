"""Web API method that exports the app's manifest."""

from tests.fakes.slack.api_error import ApiError
from tests.fakes.slack.message import Json
from tests.fakes.slack.workspace import Workspace


def export_manifest(workspace: Workspace, args: Json) -> Json:
    """Return the app's manifest, to which Slack adds fields of its own."""
    app = workspace.app
    if args.get("app_id") != app.id or app.manifest is None:
        raise ApiError("app_not_found" if args.get("app_id") else "invalid_app_id")
    settings = {"is_hosted": False, **app.manifest.get("settings", {})}
    return {"manifest": {"_metadata": {"major_version": 1}, **app.manifest, "settings": settings}}
