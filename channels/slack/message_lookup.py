"""Looking for messages that may have arrived: ours carry their name in the outbox, where people do not see it."""

from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from channels.slack.client import SlackClient
from channels.slack.destinations import Destination
from channels.slack.files import file_name

LOOKUP_WINDOW = timedelta(days=2)
"""A message nobody could send for longer than that is sent without looking for what came before."""

MAX_PAGES = 20
PAGE_SIZE = 100
EVENT_TYPE = "handrail_message"

FILE = -1
"""The number of the part that is a file with the whole."""


def message_metadata(key: str, part: int) -> dict[str, Any]:
    """The name of one part of a message (docs.slack.dev/messaging/message-metadata)."""
    return {"event_type": EVENT_TYPE, "event_payload": {"outbox_id": key, "part": part}}


async def find_sent_parts(client: SlackClient, destination: Destination, key: str, now: datetime) -> dict[int, str]:
    """The ts of each part that is there. Raises what SlackClient raises."""
    found = dict[int, str]()
    async for message in _iter_messages(client, destination, now):
        if (part := _part_number(message, key)) is not None:
            found.setdefault(part, str(message.get("ts")))
    return found


async def _iter_messages(
    client: SlackClient, destination: Destination, now: datetime
) -> AsyncIterator[Mapping[str, Any]]:
    """What was said there lately: in the thread, or in the channel itself."""
    method = "conversations.history" if destination.thread_ts is None else "conversations.replies"
    asked: dict[str, Any] = {"channel": destination.channel, "include_all_metadata": True, "limit": PAGE_SIZE}
    asked |= {"oldest": f"{(now - LOOKUP_WINDOW).timestamp():.6f}"} | (
        {"ts": destination.thread_ts} if destination.thread_ts else {}
    )
    for _ in range(MAX_PAGES):
        page = await client.call(method, **asked)
        for message in page.get("messages", []):
            yield message
        asked["cursor"] = (page.get("response_metadata") or {}).get("next_cursor")
        if not asked["cursor"]:
            return


def _part_number(message: Mapping[str, Any], key: str) -> int | None:
    if any(isinstance(file, dict) and file.get("name") == file_name(key) for file in message.get("files") or ()):
        return FILE
    told = message.get("metadata")
    payload = told.get("event_payload") if isinstance(told, dict) else None
    if not isinstance(payload, dict) or payload.get("outbox_id") != key:
        return None
    part = payload.get("part")
    return part if isinstance(part, int) else None
