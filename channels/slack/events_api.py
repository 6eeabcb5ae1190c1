"""Parser of Events API callbacks: messages, edits, deletions and app events (docs.slack.dev/apis/events-api)."""

import re
from collections.abc import Mapping
from typing import Any

from agents.core.values import Address
from agents.core.visible_text import escape_hidden_characters
from channels.slack.inbound_events import (
    AppHomeOpened,
    BotIdentity,
    File,
    MessageChanged,
    MessageDeleted,
    MessagePosted,
    SessionStopped,
    ThreadRef,
)
from channels.slack.message_text import extract_text
from channels.slack.payloads import (
    AppHomeOpenedPayload,
    DeletedMessage,
    EventCallbackPayload,
    MessageDeletedPayload,
    MessageLocation,
    MessagePayload,
    SessionStoppedPayload,
    get_object,
    parse_ts,
    user_address,
    validate,
)
from channels.slack.quotes import extract_quotes

USER_SUBTYPES = (None, "file_share", "thread_broadcast", "me_message")
"""Message subtypes that are written by users (docs.slack.dev/reference/events/message, list of subtypes)."""

_TOMBSTONE = "tombstone"
"""Subtype of a deleted message that has replies: Slack sends `message_changed` then, not `message_deleted`.

It is not documented; see github.com/slack-edge/slack-edge/pull/10 and github.com/42wim/matterbridge/issues/600.
"""

_SYSTEM_USERS = ("USLACKBOT", "USLACK")
_MAX_NAME_LENGTH = 255
_DedupKeys = tuple[str, ...]


def _is_of_person(message: Mapping[str, Any], envelope: EventCallbackPayload, bot_identity: BotIdentity) -> bool:
    """Return whether a person wrote a message.

    Messages of bots, including this app, are ignored to prevent endless loops between bots.
    """
    user, bot, app = message.get("user"), message.get("bot_id"), message.get("app_id")
    is_own = user == bot_identity.user_id or bool(app and app == envelope.api_app_id)
    is_of_bot = bool(bot or message.get("bot_profile")) or message.get("subtype") == "bot_message"
    return not (is_own or is_of_bot or user in _SYSTEM_USERS)


def parse_message(payload: Mapping[str, Any], bot: BotIdentity) -> MessagePosted | None:
    """Parse a `message` or `app_mention` event; return None for one that does not concern the bot.

    Raises InvalidInput, as the other functions, for an event that does not match Slack's documentation.
    """
    envelope = validate(EventCallbackPayload, payload)
    event = envelope.event
    if not _is_of_person(event, envelope, bot):
        return None
    location, message = validate(MessageLocation, event), validate(MessagePayload, event)
    kind = _message_kind(event, location, message, bot)
    if kind is None:
        return None
    return MessagePosted(
        kind=kind,
        thread_ref=_thread_ref(envelope, location, message),
        ts=message.ts,
        by=_author_address(message, envelope),
        text=extract_text(event, bot.user_id),
        files=_parse_files(event.get("files")),
        at=parse_ts(message.ts),
        dedup_keys=_message_dedup_keys(envelope, location, message),
        quotes=extract_quotes(event),
    )


def _message_kind(
    event: Mapping[str, Any], location: MessageLocation, message: MessagePayload, bot: BotIdentity
) -> Any:
    """Return the kind of a message, None for one that does not concern the bot.

    Slack sends a mention twice, as `app_mention` and as `message`. Both must have the same kind, as they share a
    deduplication key and only the first one is handled.
    """
    if location.channel_type == "im" or location.channel.startswith("D"):
        return "direct"
    text = event.get("text")
    if event.get("type") == "app_mention" or (isinstance(text, str) and _mention_pattern(bot).search(text)):
        return "mention"
    return "reply" if message.thread_ts not in (None, message.ts) else None


def _mention_pattern(bot: BotIdentity) -> re.Pattern[str]:
    return re.compile(rf"<@{re.escape(bot.user_id)}(\|[^>]*)?>")


def _message_dedup_keys(
    envelope: EventCallbackPayload, location: MessageLocation, message: MessagePayload
) -> _DedupKeys:
    """Return the keys of a message: Slack may deliver it with different event ids, and rarely with another ts."""
    keys = (_event_dedup_key(envelope), f"message:{envelope.team}:{location.channel}:{message.ts}")
    if message.client_msg_id is None:
        return keys
    return (*keys, f"client:{envelope.team}:{location.channel}:{message.user}:{message.client_msg_id}")


def _event_dedup_key(envelope: EventCallbackPayload) -> str:
    return f"event:{envelope.team}:{envelope.event_id}"


def _thread_ref(envelope: EventCallbackPayload, location: MessageLocation, message: MessagePayload) -> ThreadRef:
    return ThreadRef(envelope.team, location.channel, message.thread_ts or message.ts)


def _author_address(message: MessagePayload, envelope: EventCallbackPayload) -> Address:
    """Return the author's address with their own team; in a shared channel the envelope's team may be another one."""
    team = message.user_team or message.source_team or message.team or envelope.team
    return user_address(message.user, team)


def _escape_name(value: Any) -> str:
    """Return an untrusted name, truncated and with hidden characters escaped; empty if it is not a string."""
    return escape_hidden_characters(value[:_MAX_NAME_LENGTH]) if isinstance(value, str) else ""


def _parse_files(values: Any) -> tuple[File, ...]:
    files = [file for file in values if isinstance(file, dict)] if isinstance(values, list) else []
    return tuple(File(*(_escape_name(file.get(name)) for name in ("id", "name", "mimetype"))) for file in files)


def parse_message_changed(payload: Mapping[str, Any], bot: BotIdentity) -> MessageChanged | MessageDeleted | None:
    """Parse a `message_changed` event; return None if the text of a person's message did not change.

    Link previews and language detection change a message but not its text.
    """
    envelope = validate(EventCallbackPayload, payload)
    event = envelope.event
    current, previous = get_object(event, "message"), event.get("previous_message")
    previous = previous if isinstance(previous, dict) else {}
    if current.get("subtype") == _TOMBSTONE:
        return _parse_deletion(envelope, event | {"deleted_ts": current.get("ts")}, bot)
    if not _is_of_person(current, envelope, bot) or current.get("subtype") not in USER_SUBTYPES:
        return None
    location, message = validate(MessageLocation, event), validate(MessagePayload, current)
    if current.get("text") == previous.get("text") and current.get("edited") == previous.get("edited"):
        return None
    edited_ts = message.edited.ts if message.edited else message.ts
    # Without `edited` two edits have the same ts, so only the event id distinguishes them.
    edit_key = (f"edit:{envelope.team}:{location.channel}:{message.ts}:{edited_ts}",) if message.edited else ()
    return MessageChanged(
        thread_ref=_thread_ref(envelope, location, message),
        ts=message.ts,
        by=_author_address(message, envelope),
        text=extract_text(current, bot.user_id),
        previous_text=extract_text(previous, bot.user_id),
        at=parse_ts(edited_ts),
        dedup_keys=(_event_dedup_key(envelope), *edit_key),
    )


def parse_message_deleted(payload: Mapping[str, Any], bot: BotIdentity) -> MessageDeleted | None:
    """Parse a `message_deleted` event; return None if no person wrote the message."""
    envelope = validate(EventCallbackPayload, payload)
    return _parse_deletion(envelope, envelope.event, bot)


def _parse_deletion(envelope: EventCallbackPayload, raw: Mapping[str, Any], bot: BotIdentity) -> MessageDeleted | None:
    event = validate(MessageDeletedPayload, raw)
    previous = event.previous_message or {}
    if not _is_of_person(previous, envelope, bot):
        return None
    deleted = validate(DeletedMessage, previous)
    team = deleted.user_team or deleted.source_team or deleted.team or envelope.team
    return MessageDeleted(
        thread_ref=ThreadRef(envelope.team, event.channel, deleted.thread_ts or event.deleted_ts),
        ts=event.deleted_ts,
        by=user_address(deleted.user, team) if deleted.user else None,
        at=parse_ts(event.event_ts),
        dedup_keys=(_event_dedup_key(envelope), f"delete:{envelope.team}:{event.channel}:{event.deleted_ts}"),
    )


def parse_session_stopped(payload: Mapping[str, Any]) -> SessionStopped:
    """Parse `agent_session_stopped` (docs.slack.dev/reference/events/agent_session_stopped)."""
    envelope = validate(EventCallbackPayload, payload)
    event = validate(SessionStoppedPayload, envelope.event)
    thread = ThreadRef(envelope.team, event.channel, event.thread_ts)
    key = f"stop:{thread.team}:{thread.channel}:{thread.thread_ts}:{event.event_ts}"
    by = user_address(event.user, envelope.team)
    return SessionStopped(
        thread_ref=thread, by=by, at=parse_ts(event.event_ts), dedup_keys=(_event_dedup_key(envelope), key)
    )


def parse_app_home_opened(payload: Mapping[str, Any]) -> AppHomeOpened:
    """Parse an `app_home_opened` event."""
    envelope = validate(EventCallbackPayload, payload)
    event = validate(AppHomeOpenedPayload, envelope.event)
    return AppHomeOpened(
        team=envelope.team,
        channel=event.channel,
        by=user_address(event.user, envelope.team),
        tab=event.tab,
        at=parse_ts(event.event_ts),
        dedup_keys=(_event_dedup_key(envelope),),
    )
