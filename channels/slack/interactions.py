"""Buttons, lists, modals, slash commands and our shortcut read (docs.slack.dev/reference/interaction-payloads)."""

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from agents.addresses import Address
from agents.errors import InvalidInput
from channels.slack.action_ids import SHORTCUT_ID, ModalContext, is_handrail_id, split_action_id
from channels.slack.inbound_events import (
    BlockAction,
    Ignored,
    MessageShortcut,
    SlackEvent,
    SlashCommand,
    ThreadRef,
    ViewSubmission,
)
from channels.slack.interaction_payloads import (
    ActionPayload,
    ActionUser,
    BlockActionsPayload,
    Container,
    InputState,
    MessageActionPayload,
    ShortcutMessage,
    SlashCommandPayload,
    ViewSubmissionPayload,
)
from channels.slack.message_text import extract_text
from channels.slack.payloads import TeamId, get_object, parse_ts, user_address, validate
from channels.slack.quotes import describe_author, extract_quotes


def parse_interaction(payload: Mapping[str, Any]) -> SlackEvent:
    """What was pressed, sent or pointed to. Raises Invalid for what does not have its documented shape."""
    match payload.get("type"):
        case "block_actions" if get_object(payload, "container").get("type") == "message":
            return _parse_block_action(validate(BlockActionsPayload, payload))
        case "view_submission" if is_handrail_id(str(get_object(payload, "view").get("callback_id"))):
            return _parse_view_submission(validate(ViewSubmissionPayload, payload))
        case "message_action" if payload.get("callback_id") == SHORTCUT_ID:
            return _parse_message_shortcut(validate(MessageActionPayload, payload))
        case str(kind):
            return Ignored(f"an interaction of another kind: {kind[:60]!a}")
        case _:
            raise InvalidInput("not understood, from Slack: type")


def parse_slash_command(form: Mapping[str, str]) -> SlashCommand:
    """A slash command (docs.slack.dev/interactivity/implementing-slash-commands)."""
    typed = validate(SlashCommandPayload, form)
    return SlashCommand(
        team=typed.team_id,
        channel=typed.channel_id,
        by=user_address(typed.user_id, typed.team_id),
        command=typed.command,
        text=typed.text.replace("\x00", "\ufffd").strip(),
        trigger_id=typed.trigger_id,
        response_url=typed.response_url,
        dedup_keys=(f"command:{typed.team_id}:{_digest(typed.trigger_id)}",),
    )


def _parse_block_action(payload: BlockActionsPayload) -> SlackEvent:
    action, container = payload.actions[0], payload.container
    if not is_handrail_id(action.action_id):
        return Ignored("a button that only shows something")
    team = _team_id(payload)
    name, choice = split_action_id(action.action_id, action.selected_option.value if action.selected_option else None)
    return BlockAction(
        thread_ref=ThreadRef(team, container.channel_id, container.thread_ts or container.message_ts),
        message_ts=container.message_ts,
        by=_action_user_address(payload.user, team),
        action=name,
        choice_index=choice,
        # The options of a list have no room for a reference: the block that holds the list carries it.
        signed_value=action.value or action.block_id,
        trigger_id=payload.trigger_id,
        response_url=payload.response_url,
        at=parse_ts(action.action_ts),
        dedup_keys=(_click_dedup_key(team, container, payload.user, action),),
    )


def _click_dedup_key(team: str, container: Container, user: ActionUser, action: ActionPayload) -> str:
    """Slack does not send a click again; who presses twice makes two, with a time each."""
    where = f"{team}:{container.channel_id}:{container.message_ts}"
    return f"click:{where}:{user.id}:{action.action_id}:{action.action_ts}"


def _parse_view_submission(payload: ViewSubmissionPayload) -> ViewSubmission:
    team, view = _team_id(payload), payload.view
    behind = ModalContext.from_metadata(view.private_metadata)
    values = {block: _input_value(fields) for block, fields in view.state.values.items()}
    return ViewSubmission(
        thread_ref=ThreadRef(team, behind.channel, behind.thread_ts),
        message_ts=behind.message_ts,
        by=_action_user_address(payload.user, team),
        callback_id=view.callback_id,
        signed_value=behind.signed_value,
        values=values,
        # A modal that was refused is sent again, with other values.
        dedup_keys=(f"modal:{team}:{payload.user.id}:{view.id}:{_digest(json.dumps(values, sort_keys=True))}",),
        page=behind.page,
    )


def _parse_message_shortcut(payload: MessageActionPayload) -> MessageShortcut:
    team, message = _team_id(payload), validate(ShortcutMessage, payload.message)
    home = message.user_team or message.source_team or message.team or team
    author = user_address(message.user, home) if message.user and not message.bot_id else None
    written_by = author or describe_author(payload.message)
    return MessageShortcut(
        thread_ref=ThreadRef(team, payload.channel.id, message.thread_ts or message.ts),
        ts=message.ts,
        by=_action_user_address(payload.user, team),
        text=extract_text(payload.message),
        author=author,
        trigger_id=payload.trigger_id,
        response_url=payload.response_url,
        at=parse_ts(payload.action_ts),
        dedup_keys=(f"shortcut:{team}:{_digest(payload.trigger_id)}",),
        quotes=extract_quotes(payload.message, written_by),
        author_name=written_by,
    )


def _input_value(fields: Mapping[str, InputState]) -> str | None:
    """Each block of ours has one field; what was left empty is None."""
    field = next(iter(fields.values()), InputState())
    found = field.selected_option.value if field.selected_option else field.value
    return found.replace("\x00", "\ufffd") if found else None


def _team_id(payload: BlockActionsPayload | ViewSubmissionPayload | MessageActionPayload) -> TeamId:
    """The team a payload is about; installed for a whole organisation it may name none but the person's own."""
    found = (
        payload.team.id
        if payload.team
        else payload.user.team_id or (payload.enterprise.id if payload.enterprise else None)
    )
    if found is None:
        raise InvalidInput("not understood, from Slack: team")
    return found


def _action_user_address(user: ActionUser, team: str) -> Address:
    return user_address(user.id, user.team_id or team)


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:32]
