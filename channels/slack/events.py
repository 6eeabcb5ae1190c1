"""The Events API read: what happened in channels, threads and direct messages (docs.slack.dev/apis/events-api)."""

import re
from collections.abc import Mapping
from typing import Any

from agents.addresses import Address
from agents.visible import visible
from channels.slack.event_shapes import (
    DeletedEvent,
    Envelope,
    Message,
    MessageEvent,
    OpenedEvent,
    Remnant,
    StoppedEvent,
)
from channels.slack.facts import Deleted, Edited, Fact, File, Ignored, Opened, Ourselves, Place, Said, Stopped
from channels.slack.payloads import identity, part, shaped, time_of
from channels.slack.quoting import quotes_of
from channels.slack.reading import text_of

_SPOKEN = (None, "file_share", "thread_broadcast", "me_message")
"""The subtypes that are somebody's words (docs.slack.dev/reference/events/message, its list of subtypes)."""

_TOMBSTONE = "tombstone"
"""What a message that has replies leaves when it is deleted: Slack tells of a change then, and not of a deletion.

Nobody documents it; github.com/slack-edge/slack-edge/pull/10 and github.com/42wim/matterbridge/issues/600 saw it.
"""

_SYSTEM = ("USLACKBOT", "USLACK")
_LONGEST_NAME = 255
_Keys = tuple[str, ...]


def read_event(payload: Mapping[str, Any], us: Ourselves) -> Fact:
    """What an event says. Raises Invalid for one that does not have its documented shape."""
    envelope = shaped(Envelope, payload)
    event = envelope.event
    match event.get("type"), event.get("subtype"):
        case "message" | "app_mention", subtype if subtype in _SPOKEN:
            return _said(envelope, us)
        case "message", "message_changed":
            return _changed(envelope, us)
        case "message", "message_deleted":
            return _deleted(envelope, event, us)
        case "agent_session_stopped", _:
            return _stopped(envelope)
        case "app_home_opened", _:
            return _opened(envelope)
        case kind, subtype:
            return Ignored(f"an event of another kind: {_told(kind)} {_told(subtype)}".strip())


def _not_a_person(message: Mapping[str, Any], envelope: Envelope, us: Ourselves) -> Ignored | None:
    """Bots talk to each other for ever, so none is listened to: not ourselves first of all."""
    user, bot, app = message.get("user"), message.get("bot_id"), message.get("app_id")
    if user == us.user_id or (bot and bot == us.bot_id) or (app and app == envelope.api_app_id):
        return Ignored("we said it ourselves")
    if bot or message.get("bot_profile") or message.get("subtype") == "bot_message":
        return Ignored("another bot said it")
    if user in _SYSTEM:
        return Ignored("Slack itself said it")
    return None


def _said(envelope: Envelope, us: Ourselves) -> Fact:
    event = envelope.event
    if nobody := _not_a_person(event, envelope, us):
        return nobody
    where, message = shaped(MessageEvent, event), shaped(Message, event)
    how = _how(event, where, message, us)
    if how is None:
        return Ignored("said in a channel, and not to us")
    return Said(
        how=how,
        place=_place(envelope, where, message),
        ts=message.ts,
        by=_author(message, envelope),
        text=text_of(event, us.user_id),
        files=_files(event.get("files")),
        at=time_of(message.ts),
        keys=_said_keys(envelope, where, message),
        quotes=quotes_of(event),
    )


def _how(event: Mapping[str, Any], where: MessageEvent, message: Message, us: Ourselves) -> Any:
    """A mention comes twice, as `app_mention` and as `message`: whichever is first counts, for both have one key."""
    if where.channel_type == "im" or where.channel.startswith("D"):
        return "direct"
    written = event.get("text")
    if event.get("type") == "app_mention" or (isinstance(written, str) and _mention(us).search(written)):
        return "mention"
    return "reply" if message.thread_ts not in (None, message.ts) else None


def _mention(us: Ourselves) -> re.Pattern[str]:
    return re.compile(rf"<@{re.escape(us.user_id)}(\|[^>]*)?>")


def _said_keys(envelope: Envelope, where: MessageEvent, message: Message) -> _Keys:
    """The same message is delivered under other event ids, and was seen under another ts (channels.md §1.1)."""
    keys = (_event_key(envelope), f"message:{envelope.team}:{where.channel}:{message.ts}")
    if message.client_msg_id is None:
        return keys
    return (*keys, f"client:{envelope.team}:{where.channel}:{message.user}:{message.client_msg_id}")


def _event_key(envelope: Envelope) -> str:
    return f"event:{envelope.team}:{envelope.event_id}"


def _place(envelope: Envelope, where: MessageEvent, message: Message) -> Place:
    return Place(envelope.team, where.channel, message.thread_ts or message.ts)


def _author(message: Message, envelope: Envelope) -> Address:
    """In a shared channel the author's own team; the envelope tells the team that hosts it."""
    team = message.user_team or message.source_team or message.team or envelope.team
    return identity(message.user, team)


def _told(value: Any) -> str:
    """A name somebody gave, as far as it can be shown on one line."""
    return visible(value[:_LONGEST_NAME]) if isinstance(value, str) else ""


def _files(listed: Any) -> tuple[File, ...]:
    found = [file for file in listed if isinstance(file, dict)] if isinstance(listed, list) else []
    return tuple(File(*(_told(file.get(name)) for name in ("id", "name", "mimetype"))) for file in found)


def _changed(envelope: Envelope, us: Ourselves) -> Fact:
    """A link that unfurls and a language that was recognised change a message too, but not its words."""
    event = envelope.event
    now, before = part(event, "message"), event.get("previous_message")
    before = before if isinstance(before, dict) else {}
    if now.get("subtype") == _TOMBSTONE:
        return _deleted(envelope, event | {"deleted_ts": now.get("ts")}, us)
    if nobody := _not_a_person(now, envelope, us):
        return nobody
    if now.get("subtype") not in _SPOKEN:
        return Ignored("a message of another kind changed")
    where, message = shaped(MessageEvent, event), shaped(Message, now)
    if now.get("text") == before.get("text") and now.get("edited") == before.get("edited"):
        return Ignored("a message changed, but not its words")
    changed = message.edited.ts if message.edited else message.ts
    # Without `edited` only the words tell one change from the next: the event id has to.
    edit = (f"edit:{envelope.team}:{where.channel}:{message.ts}:{changed}",) if message.edited else ()
    return Edited(
        place=_place(envelope, where, message),
        ts=message.ts,
        by=_author(message, envelope),
        text=text_of(now, us.user_id),
        before=text_of(before, us.user_id),
        at=time_of(changed),
        keys=(_event_key(envelope), *edit),
    )


def _deleted(envelope: Envelope, told: Mapping[str, Any], us: Ourselves) -> Fact:
    event = shaped(DeletedEvent, told)
    gone = event.previous_message or {}
    if nobody := _not_a_person(gone, envelope, us):
        return nobody
    left = shaped(Remnant, gone)
    team = left.user_team or left.source_team or left.team or envelope.team
    return Deleted(
        place=Place(envelope.team, event.channel, left.thread_ts or event.deleted_ts),
        ts=event.deleted_ts,
        by=identity(left.user, team) if left.user else None,
        at=time_of(event.event_ts),
        keys=(_event_key(envelope), f"delete:{envelope.team}:{event.channel}:{event.deleted_ts}"),
    )


def _stopped(envelope: Envelope) -> Stopped:
    """`agent_session_stopped` (docs.slack.dev/reference/events/agent_session_stopped)."""
    event = shaped(StoppedEvent, envelope.event)
    place = Place(envelope.team, event.channel, event.thread_ts)
    key = f"stop:{place.team}:{place.channel}:{place.root}:{event.event_ts}"
    by = identity(event.user, envelope.team)
    return Stopped(place=place, by=by, at=time_of(event.event_ts), keys=(_event_key(envelope), key))


def _opened(envelope: Envelope) -> Opened:
    event = shaped(OpenedEvent, envelope.event)
    return Opened(
        team=envelope.team,
        channel=event.channel,
        by=identity(event.user, envelope.team),
        tab=event.tab,
        at=time_of(event.event_ts),
        keys=(_event_key(envelope),),
    )
