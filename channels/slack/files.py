"""Files for texts that are too long for messages (docs.slack.dev/messaging/working-with-files#uploading_files).

A file is uploaded first, invisible to people, and then shared in a thread. Its name is derived from the outbox key of
its message, so that a retry finds it: Slack stores no metadata for the message of a file.
"""

from hashlib import sha256

from channels.slack.client import SlackClient
from channels.slack.destinations import Destination

MAX_MESSAGES = 3
"""Messages of one reply; a longer reply becomes its beginning and a file."""


def file_name(key: str) -> str:
    """Return the name of a message's file, derived from its outbox key."""
    return f"reply-{sha256(key.encode()).hexdigest()[:16]}.txt"


async def upload_text(client: SlackClient, name: str, text: str) -> str:
    """Upload a text and return its file id. Raises the errors of SlackClient."""
    data = text.encode()
    upload = await client.call("files.getUploadURLExternal", filename=name, length=len(data), snippet_type="text")
    await client.upload(str(upload.get("upload_url")), data)
    return str(upload.get("file_id"))


async def share_file(client: SlackClient, destination: Destination, file_id: str, title: str) -> None:
    """Share an uploaded file in a thread. Raises the errors of SlackClient."""
    files = [{"id": file_id, "title": title}]
    thread = {"thread_ts": destination.thread_ts} if destination.thread_ts else {}
    await client.call("files.completeUploadExternal", files=files, channel_id=destination.channel, **thread)
