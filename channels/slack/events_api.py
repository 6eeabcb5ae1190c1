"""The Events API read: what happened in channels, threads and direct messages (docs.slack.dev/apis/events-api)."""

import re
from collections.abc import Mapping
from typing import Any

from agents.addresses import Address
from agents.visible_text import escape_hidden_characters
from channels.slack.event_payloads import (
    AppHomeOpenedPayload,
    DeletedMessage,
    EventCallbackPayload,
    MessageDeletedPayload,
    MessageLocation,
    MessagePayload,
    SessionStoppedPayload,
)
from channels.slack.inbound_events import (
    AppHomeOpened,
    BotIdentity,
    File,
    Ignored,
    MessageChanged,
    MessageDeleted,
    MessagePosted,
    SessionStopped,
    SlackEvent,
    ThreadRef,
)
from channels.slack.message_text import extract_text
from channels.slack.payloads import get_object, parse_ts, user_address, validate
from channels.slack.quotes import extract_quotes

_USER_SUBTYPES = (None, "file_share", "thread_broadcast", "me_message")
"""The subtypes that are somebody's words (docs.slack.dev/reference/events/message, its list of subtypes)."""

_TOMBSTONE = "tombstone"
"""What a message that has replies leaves when it is deleted: Slack tells of a change then, and not of a deletion.

Nobody documents it; github.com/slack-edge/slack-edge/pull/10 and github.com/42wim/matterbridge/issues/600 saw it.
"""

_SYSTEM_USERS = ("USLACKBOT", "USLACK")
_MAX_NAME_LENGTH = 255
_DedupKeys = tuple[str, ...]


def parse_event(payload: Mapping[str, Any], bot: BotIdentity) -> SlackEvent:
    """What an event says. Raises Invalid for one that does not have its documented shape."""
    envelope = validate(EventCallbackPayload, payload)
    event = envelope.event
    match event.get("type"), event.get("subtype"):
        case "message" | "app_mention", subtype if subtype in _USER_SUBTYPES:
            return _parse_message(envelope, bot)
        case "message", "message_changed":
            return _parse_message_changed(envelope, bot)
        case "message", "message_deleted":
            return _parse_message_deleted(envelope, event, bot)
        case "agent_session_stopped", _:
            return _parse_session_stopped(envelope)
        case "app_home_opened", _:
            return _parse_app_home_opened(envelope)
        case kind, subtype:
            return Ignored(f"an event of another kind: {_escape_name(kind)} {_escape_name(subtype)}".strip())


def _ignored_sender(
    message: Mapping[str, Any], envelope: EventCallbackPayload, bot_identity: BotIdentity
) -> Ignored | None:
    """Bots talk to each other for ever, so none is listened to: not ourselves first of all."""
    user, bot, app = message.get("user"), message.get("bot_id"), message.get("app_id")
    if user == bot_identity.user_id or (bot and bot == bot_identity.bot_id) or (app and app == envelope.api_app_id):
        return Ignored("we said it ourselves")
    if bot or message.get("bot_profile") or message.get("subtype") == "bot_message":
        return Ignored("another bot said it")
    if user in _SYSTEM_USERS:
        return Ignored("Slack itself said it")
    return None


def _parse_message(envelope: EventCallbackPayload, bot: BotIdentity) -> SlackEvent:
    event = envelope.event
    if nobody := _ignored_sender(event, envelope, bot):
        return nobody
    where, message = validate(MessageLocation, event), validate(MessagePayload, event)
    how = _message_kind(event, where, message, bot)
    if how is None:
        return Ignored("said in a channel, and not to us")
    return MessagePosted(
        kind=how,
        thread_ref=_thread_ref(envelope, where, message),
        ts=message.ts,
        by=_author_address(message, envelope),
        text=extract_text(event, bot.user_id),
        files=_parse_files(event.get("files")),
        at=parse_ts(message.ts),
        dedup_keys=_message_dedup_keys(envelope, where, message),
        quotes=extract_quotes(event),
    )


def _message_kind(
    event: Mapping[str, Any], location: MessageLocation, message: MessagePayload, bot: BotIdentity
) -> Any:
    """A mention comes twice, as `app_mention` and as `message`: whichever is first counts, for both have one key."""
    if location.channel_type == "im" or location.channel.startswith("D"):
        return "direct"
    written = event.get("text")
    if event.get("type") == "app_mention" or (isinstance(written, str) and _mention_pattern(bot).search(written)):
        return "mention"
    return "reply" if message.thread_ts not in (None, message.ts) else None


def _mention_pattern(bot: BotIdentity) -> re.Pattern[str]:
    return re.compile(rf"<@{re.escape(bot.user_id)}(\|[^>]*)?>")


def _message_dedup_keys(
    envelope: EventCallbackPayload, location: MessageLocation, message: MessagePayload
) -> _DedupKeys:
    """The same message is delivered under other event ids, and was seen under another ts (channels.md §1.1)."""
    keys = (_event_dedup_key(envelope), f"message:{envelope.team}:{location.channel}:{message.ts}")
    if message.client_msg_id is None:
        return keys
    return (*keys, f"client:{envelope.team}:{location.channel}:{message.user}:{message.client_msg_id}")


def _event_dedup_key(envelope: EventCallbackPayload) -> str:
    return f"event:{envelope.team}:{envelope.event_id}"


def _thread_ref(envelope: EventCallbackPayload, location: MessageLocation, message: MessagePayload) -> ThreadRef:
    return ThreadRef(envelope.team, location.channel, message.thread_ts or message.ts)


def _author_address(message: MessagePayload, envelope: EventCallbackPayload) -> Address:
    """In a shared channel the author's own team; the envelope tells the team that hosts it."""
    team = message.user_team or message.source_team or message.team or envelope.team
    return user_address(message.user, team)


def _escape_name(value: Any) -> str:
    """A name somebody gave, as far as it can be shown on one line."""
    return escape_hidden_characters(value[:_MAX_NAME_LENGTH]) if isinstance(value, str) else ""


def _parse_files(values: Any) -> tuple[File, ...]:
    found = [file for file in values if isinstance(file, dict)] if isinstance(values, list) else []
    return tuple(File(*(_escape_name(file.get(name)) for name in ("id", "name", "mimetype"))) for file in found)


def _parse_message_changed(envelope: EventCallbackPayload, bot: BotIdentity) -> SlackEvent:
    """A link that unfurls and a language that was recognised change a message too, but not its words."""
    event = envelope.event
    now, before = get_object(event, "message"), event.get("previous_message")
    before = before if isinstance(before, dict) else {}
    if now.get("subtype") == _TOMBSTONE:
        return _parse_message_deleted(envelope, event | {"deleted_ts": now.get("ts")}, bot)
    if nobody := _ignored_sender(now, envelope, bot):
        return nobody
    if now.get("subtype") not in _USER_SUBTYPES:
        return Ignored("a message of another kind changed")
    where, message = validate(MessageLocation, event), validate(MessagePayload, now)
    if now.get("text") == before.get("text") and now.get("edited") == before.get("edited"):
        return Ignored("a message changed, but not its words")
    changed = message.edited.ts if message.edited else message.ts
    # Without `edited` only the words tell one change from the next: the event id has to.
    edit = (f"edit:{envelope.team}:{where.channel}:{message.ts}:{changed}",) if message.edited else ()
    return MessageChanged(
        thread_ref=_thread_ref(envelope, where, message),
        ts=message.ts,
        by=_author_address(message, envelope),
        text=extract_text(now, bot.user_id),
        previous_text=extract_text(before, bot.user_id),
        at=parse_ts(changed),
        dedup_keys=(_event_dedup_key(envelope), *edit),
    )


def _parse_message_deleted(envelope: EventCallbackPayload, raw: Mapping[str, Any], bot: BotIdentity) -> SlackEvent:
    event = validate(MessageDeletedPayload, raw)
    gone = event.previous_message or {}
    if nobody := _ignored_sender(gone, envelope, bot):
        return nobody
    left = validate(DeletedMessage, gone)
    team = left.user_team or left.source_team or left.team or envelope.team
    return MessageDeleted(
        thread_ref=ThreadRef(envelope.team, event.channel, left.thread_ts or event.deleted_ts),
        ts=event.deleted_ts,
        by=user_address(left.user, team) if left.user else None,
        at=parse_ts(event.event_ts),
        dedup_keys=(_event_dedup_key(envelope), f"delete:{envelope.team}:{event.channel}:{event.deleted_ts}"),
    )


def _parse_session_stopped(envelope: EventCallbackPayload) -> SessionStopped:
    """`agent_session_stopped` (docs.slack.dev/reference/events/agent_session_stopped)."""
    event = validate(SessionStoppedPayload, envelope.event)
    place = ThreadRef(envelope.team, event.channel, event.thread_ts)
    key = f"stop:{place.team}:{place.channel}:{place.thread_ts}:{event.event_ts}"
    by = user_address(event.user, envelope.team)
    return SessionStopped(
        thread_ref=place, by=by, at=parse_ts(event.event_ts), dedup_keys=(_event_dedup_key(envelope), key)
    )


def _parse_app_home_opened(envelope: EventCallbackPayload) -> AppHomeOpened:
    event = validate(AppHomeOpenedPayload, envelope.event)
    return AppHomeOpened(
        team=envelope.team,
        channel=event.channel,
        by=user_address(event.user, envelope.team),
        tab=event.tab,
        at=parse_ts(event.event_ts),
        dedup_keys=(_event_dedup_key(envelope),),
    )
