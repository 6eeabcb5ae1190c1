"""Files: an address to upload to, the upload itself, and the end of it, which shows the file to people.

As docs.slack.dev/messaging/working-with-files#uploading_files and the pages of both methods tell it. An address takes
one upload, of exactly the length that was announced; a file is shown once, and only after it was uploaded.
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
    """An address for one file, which nobody sees yet."""
    if not args.get("filename") or not str(args.get("length", "")).isdigit():
        raise ApiError("invalid_arguments", "missing required field: filename or length")
    if int(args["length"]) == 0:
        raise ApiError("invalid_arguments", "must be more than 0 [json-pointer:/length]")
    file_id = workspace.new_id("F")
    workspace.uploads[file_id] = Upload(file_id, str(args["filename"]), int(args["length"]))
    return {"file_id": file_id, "upload_url": f"{workspace.url}/upload/v1/{file_id}"}


def complete(workspace: Workspace, args: Json) -> Json:
    """Show uploaded files, in one message."""
    uploads = [_ready(workspace, file) for file in _files(args)]
    if "channel_id" not in args:
        raise ApiError("invalid_arguments", "the fake shows every file to somebody")
    channel = workspace.get_accessible_channel(args["channel_id"])
    message = create_empty_message(workspace, channel, checked_thread_ts(workspace, channel, args))
    message.text = args.get("initial_comment", "")
    # no bot_id: files are shared as by the bot's user
    message.extra_fields = {"subtype": "file_share", "upload": False, "files": [upload.shape() for upload in uploads]}
    for upload in uploads:
        upload.is_shared = True
    workspace.add_message(message)
    events.announce_message(workspace, message)
    return {"files": [{"id": upload.id, "title": upload.title} for upload in uploads]}


def _files(args: Json) -> list[Json]:
    given: Any = args.get("files")
    if not isinstance(given, list) or not given or not all(isinstance(file, dict) and "id" in file for file in given):
        raise ApiError("invalid_arguments", "files must be a list of objects with an id")
    return given


def _ready(workspace: Workspace, file: Json) -> Upload:
    upload = workspace.uploads.get(file["id"])
    if upload is None or upload.data is None or upload.is_shared:
        raise ApiError("file_not_found")
    upload.title = str(file.get("title") or upload.name)
    return upload


@dataclass
class UploadServer:
    """Where the bytes go. No token is asked for: whoever has the address may upload."""

    workspace: Workspace
    faults: Faults = field(default_factory=Faults)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        fault = self.faults.take_next("upload")
        if fault is not None:
            return web.Response(status=fault.status)
        upload = self.workspace.uploads.get(request.match_info["file"])
        data = await request.read()
        if "Authorization" in request.headers or upload is None or upload.data is not None:
            return web.Response(status=403)
        if len(data) != upload.length:
            return web.Response(status=400, text="the length is another one than was announced")
        upload.data = data
        return web.Response(text=f"OK - {len(data)}")
