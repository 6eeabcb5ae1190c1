"""Texts that are too long for messages, as files (docs.slack.dev/messaging/working-with-files#uploading_files).

A file is uploaded first, which nobody sees, and then shared in a thread. Its name is that of its message in the outbox,
so that it can be found there: Slack keeps no metadata for the message of a file.
"""

from hashlib import sha256

from channels.slack.client import SlackClient
from channels.slack.destinations import Destination

MAX_MESSAGES = 3
"""A reply of more messages than that becomes a file behind its beginning."""


def file_name(key: str) -> str:
    """Return the name of the file of one message, by its key in the outbox."""
    return f"reply-{sha256(key.encode()).hexdigest()[:16]}.txt"


async def upload_text(client: SlackClient, name: str, text: str) -> str:
    """Upload a text and return the id of its file. Raises what SlackClient raises."""
    data = text.encode()
    place = await client.call("files.getUploadURLExternal", filename=name, length=len(data), snippet_type="text")
    await client.upload(str(place.get("upload_url")), data)
    return str(place.get("file_id"))


async def share_file(client: SlackClient, spot: Destination, file_id: str, title: str) -> None:
    """Show an uploaded file in a thread. Raises what SlackClient raises."""
    files = [{"id": file_id, "title": title}]
    thread = {"thread_ts": spot.thread_ts} if spot.thread_ts else {}
    await client.call("files.completeUploadExternal", files=files, channel_id=spot.channel, **thread)
