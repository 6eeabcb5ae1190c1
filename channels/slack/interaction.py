"""Buttons, lists, modals, slash commands and our shortcut read (docs.slack.dev/reference/interaction-payloads)."""

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from agents.addresses import Address
from agents.errors import Invalid
from channels.slack.actions import ASK, Behind, chosen, is_ours
from channels.slack.facts import Clicked, Commanded, Fact, Ignored, Place, Pointed, Submitted
from channels.slack.interaction_shapes import (
    Action,
    BlockActions,
    Container,
    Input,
    MessageAction,
    PointedMessage,
    Presser,
    SlashCommand,
    ViewSubmission,
)
from channels.slack.payloads import Team, identity, part, shaped, time_of
from channels.slack.quoting import author_of, quotes_of
from channels.slack.reading import text_of


def read_interaction(payload: Mapping[str, Any]) -> Fact:
    """What was pressed, sent or pointed to. Raises Invalid for what does not have its documented shape."""
    match payload.get("type"):
        case "block_actions" if part(payload, "container").get("type") == "message":
            return _clicked(shaped(BlockActions, payload))
        case "view_submission" if is_ours(str(part(payload, "view").get("callback_id"))):
            return _submitted(shaped(ViewSubmission, payload))
        case "message_action" if payload.get("callback_id") == ASK:
            return _pointed(shaped(MessageAction, payload))
        case str(kind):
            return Ignored(f"an interaction of another kind: {kind[:60]!a}")
        case _:
            raise Invalid("not understood, from Slack: type")


def read_command(form: Mapping[str, str]) -> Commanded:
    """A slash command (docs.slack.dev/interactivity/implementing-slash-commands)."""
    typed = shaped(SlashCommand, form)
    return Commanded(
        team=typed.team_id,
        channel=typed.channel_id,
        by=identity(typed.user_id, typed.team_id),
        command=typed.command,
        text=typed.text.replace("\x00", "\ufffd").strip(),
        trigger_id=typed.trigger_id,
        response_url=typed.response_url,
        keys=(f"command:{typed.team_id}:{_digest(typed.trigger_id)}",),
    )


def _clicked(pressed: BlockActions) -> Fact:
    action, container = pressed.actions[0], pressed.container
    if not is_ours(action.action_id):
        return Ignored("a button that only shows something")
    team = _team(pressed)
    name, choice = chosen(action.action_id, action.selected_option.value if action.selected_option else None)
    return Clicked(
        place=Place(team, container.channel_id, container.thread_ts or container.message_ts),
        message=container.message_ts,
        by=_presser(pressed.user, team),
        action=name,
        choice=choice,
        # The options of a list have no room for a reference: the block that holds the list carries it.
        reference=action.value or action.block_id,
        trigger_id=pressed.trigger_id,
        response_url=pressed.response_url,
        at=time_of(action.action_ts),
        keys=(_click_key(team, container, pressed.user, action),),
    )


def _click_key(team: str, container: Container, user: Presser, action: Action) -> str:
    """Slack does not send a click again; who presses twice makes two, with a time each."""
    where = f"{team}:{container.channel_id}:{container.message_ts}"
    return f"click:{where}:{user.id}:{action.action_id}:{action.action_ts}"


def _submitted(sent: ViewSubmission) -> Submitted:
    team, view = _team(sent), sent.view
    behind = Behind.read(view.private_metadata)
    values = {block: _value(fields) for block, fields in view.state.values.items()}
    return Submitted(
        place=Place(team, behind.channel, behind.root),
        message=behind.message,
        by=_presser(sent.user, team),
        modal=view.callback_id,
        reference=behind.reference,
        values=values,
        # A modal that was refused is sent again, with other values.
        keys=(f"modal:{team}:{sent.user.id}:{view.id}:{_digest(json.dumps(values, sort_keys=True))}",),
        page=behind.page,
    )


def _pointed(used: MessageAction) -> Pointed:
    team, message = _team(used), shaped(PointedMessage, used.message)
    home = message.user_team or message.source_team or message.team or team
    author = identity(message.user, home) if message.user and not message.bot_id else None
    written_by = author or author_of(used.message)
    return Pointed(
        place=Place(team, used.channel.id, message.thread_ts or message.ts),
        ts=message.ts,
        by=_presser(used.user, team),
        text=text_of(used.message),
        author=author,
        trigger_id=used.trigger_id,
        response_url=used.response_url,
        at=time_of(used.action_ts),
        keys=(f"shortcut:{team}:{_digest(used.trigger_id)}",),
        quotes=quotes_of(used.message, written_by),
        written_by=written_by,
    )


def _value(fields: Mapping[str, Input]) -> str | None:
    """Each block of ours has one field; what was left empty is None."""
    field = next(iter(fields.values()), Input())
    found = field.selected_option.value if field.selected_option else field.value
    return found.replace("\x00", "\ufffd") if found else None


def _team(told: BlockActions | ViewSubmission | MessageAction) -> Team:
    """The team a payload is about; installed for a whole organisation it may name none but the person's own."""
    found = told.team.id if told.team else told.user.team_id or (told.enterprise.id if told.enterprise else None)
    if found is None:
        raise Invalid("not understood, from Slack: team")
    return found


def _presser(user: Presser, team: str) -> Address:
    return identity(user.id, user.team_id or team)


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:32]
