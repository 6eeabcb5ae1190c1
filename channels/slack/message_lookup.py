"""Lookup of messages that may have arrived: each carries its outbox key in Slack's message metadata."""

from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from channels.slack.client import SlackClient, file_name
from channels.slack.destinations import Destination

LOOKUP_WINDOW = timedelta(days=2)
"""Age of the oldest message that is searched. If an earlier attempt is older, the message is sent again."""

MAX_PAGES = 20
PAGE_SIZE = 100
"""Messages per page."""
EVENT_TYPE = "handrail_message"

FILE = -1
"""Part number of the file that contains the complete reply."""


def message_metadata(key: str, part: int) -> dict[str, Any]:
    """Return the metadata that identifies one part of a message (docs.slack.dev/messaging/message-metadata)."""
    return {"event_type": EVENT_TYPE, "event_payload": {"outbox_id": key, "part": part}}


async def find_sent_parts(client: SlackClient, destination: Destination, key: str, now: datetime) -> dict[int, str]:
    """Return the ts of each part that exists in Slack, by its number. Raises the errors of SlackClient."""
    found = dict[int, str]()
    async for message in _iter_messages(client, destination, now):
        if (part := _part_number(message, key)) is not None:
            found.setdefault(part, str(message.get("ts")))
    return found


async def _iter_messages(
    client: SlackClient, destination: Destination, now: datetime
) -> AsyncIterator[Mapping[str, Any]]:
    """Yield the messages of the thread, or of the channel, within the lookup window."""
    method = "conversations.history" if destination.thread_ts is None else "conversations.replies"
    arguments: dict[str, Any] = {"channel": destination.channel, "include_all_metadata": True, "limit": PAGE_SIZE}
    arguments |= {"oldest": f"{(now - LOOKUP_WINDOW).timestamp():.6f}"} | (
        {"ts": destination.thread_ts} if destination.thread_ts else {}
    )
    for _ in range(MAX_PAGES):
        page = await client.call(method, **arguments)
        for message in page.get("messages", []):
            yield message
        arguments["cursor"] = (page.get("response_metadata") or {}).get("next_cursor")
        if not arguments["cursor"]:
            return


def _part_number(message: Mapping[str, Any], key: str) -> int | None:
    if any(isinstance(file, dict) and file.get("name") == file_name(key) for file in message.get("files") or ()):
        return FILE
    metadata = message.get("metadata")
    payload = metadata.get("event_payload") if isinstance(metadata, dict) else None
    if not isinstance(payload, dict) or payload.get("outbox_id") != key:
        return None
    part = payload.get("part")
    return part if isinstance(part, int) else None
