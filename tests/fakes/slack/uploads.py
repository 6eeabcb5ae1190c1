"""File uploads: the upload URL, the upload, and its completion, which shares the file.

Source: docs.slack.dev/messaging/working-with-files#uploading_files and the pages of both methods. A URL accepts one
upload of exactly the announced length; a file can be shared once, after its upload.
"""

from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.fakes.slack import events
from tests.fakes.slack.api_error import ApiError
from tests.fakes.slack.chat_methods import checked_thread_ts, create_empty_message
from tests.fakes.slack.faults import Faults
from tests.fakes.slack.message import Json
from tests.fakes.slack.workspace import Upload, Workspace


def get_url(workspace: Workspace, args: Json) -> Json:
    """Return the upload URL of a new file, which is not visible yet."""
    if not args.get("filename") or not str(args.get("length", "")).isdigit():
        raise ApiError("invalid_arguments", "missing required field: filename or length")
    if int(args["length"]) == 0:
        raise ApiError("invalid_arguments", "must be more than 0 [json-pointer:/length]")
    file_id = workspace.new_id("F")
    workspace.uploads[file_id] = Upload(file_id, str(args["filename"]), int(args["length"]))
    return {"file_id": file_id, "upload_url": f"{workspace.url}/upload/v1/{file_id}"}


def complete(workspace: Workspace, args: Json) -> Json:
    """Share uploaded files in one message."""
    uploads = [_ready(workspace, file) for file in _files(args)]
    if "channel_id" not in args:
        raise ApiError("invalid_arguments", "the fake requires channel_id")
    channel = workspace.get_accessible_channel(args["channel_id"])
    message = create_empty_message(workspace, channel, checked_thread_ts(workspace, channel, args))
    message.text = args.get("initial_comment", "")
    # without bot_id: Slack shares files as the bot's user
    message.extra_fields = {
        "subtype": "file_share",
        "upload": False,
        "files": [upload.to_payload() for upload in uploads],
    }
    for upload in uploads:
        upload.is_shared = True
    workspace.add_message(message)
    events.announce_message(workspace, message)
    return {"files": [{"id": upload.id, "title": upload.title} for upload in uploads]}


def _files(args: Json) -> list[Json]:
    files: Any = args.get("files")
    if not isinstance(files, list) or not files or not all(isinstance(file, dict) and "id" in file for file in files):
        raise ApiError("invalid_arguments", "files must be a list of objects with an id")
    return files


def _ready(workspace: Workspace, file: Json) -> Upload:
    upload = workspace.uploads.get(file["id"])
    if upload is None or upload.data is None or upload.is_shared:
        raise ApiError("file_not_found")
    upload.title = str(file.get("title") or upload.name)
    return upload


@dataclass
class UploadServer:
    """Server for upload URLs. It requires no token: the URL itself is the permission."""

    workspace: Workspace
    faults: Faults = field(default_factory=Faults)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        fault = self.faults.take_next("upload")
        if fault is not None:
            return web.Response(status=fault.status)
        upload = self.workspace.uploads.get(request.match_info["file"])
        data = await request.read()
        if "Authorization" in request.headers or upload is None or upload.data is not None:
            return web.Response(status=403)
        if len(data) != upload.length:
            return web.Response(status=400, text="the length differs from the announced one")
        upload.data = data
        return web.Response(text=f"OK - {len(data)}")
