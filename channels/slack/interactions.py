"""Parser of interactions and slash commands (docs.slack.dev/reference/interaction-payloads)."""

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from agents.core.errors import InvalidInput
from agents.core.values import Address
from channels.slack.action_ids import ModalContext, split_action_id
from channels.slack.inbound_events import BlockAction, MessageShortcut, SlashCommand, ThreadRef, ViewSubmission
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


def parse_slash_command(form: Mapping[str, Any]) -> SlashCommand:
    """Parse a slash command (docs.slack.dev/interactivity/implementing-slash-commands).

    Raises InvalidInput, as the other functions, for a payload that does not match Slack's documentation.
    """
    command = validate(SlashCommandPayload, form)
    return SlashCommand(
        team=command.team_id,
        channel=command.channel_id,
        by=user_address(command.user_id, command.team_id),
        command=command.command,
        text=command.text.replace("\x00", "\ufffd").strip(),
        trigger_id=command.trigger_id,
        response_url=command.response_url,
        dedup_keys=(f"command:{command.team_id}:{_digest(command.trigger_id)}",),
    )


def parse_block_action(body: Mapping[str, Any]) -> BlockAction | None:
    """Parse a click; return None if it was not in a message."""
    if get_object(body, "container").get("type") != "message":
        return None
    payload = validate(BlockActionsPayload, body)
    action, container = payload.actions[0], payload.container
    team = _team_id(payload)
    name, choice = split_action_id(action.action_id, action.selected_option.value if action.selected_option else None)
    return BlockAction(
        thread_ref=ThreadRef(team, container.channel_id, container.thread_ts or container.message_ts),
        message_ts=container.message_ts,
        by=_action_user_address(payload.user, team),
        action=name,
        choice_index=choice,
        # The options of a select menu are too short for the signed value: the id of its block carries it.
        signed_value=action.value or action.block_id,
        trigger_id=payload.trigger_id,
        response_url=payload.response_url,
        at=parse_ts(action.action_ts),
        dedup_keys=(_click_dedup_key(team, container, payload.user, action),),
    )


def _click_dedup_key(team: str, container: Container, user: ActionUser, action: ActionPayload) -> str:
    """Return the key of one click; the `action_ts` distinguishes it from another click on the same button."""
    message = f"{team}:{container.channel_id}:{container.message_ts}"
    return f"click:{message}:{user.id}:{action.action_id}:{action.action_ts}"


def parse_view_submission(body: Mapping[str, Any]) -> ViewSubmission:
    """Parse the submission of a modal."""
    payload = validate(ViewSubmissionPayload, body)
    team, view = _team_id(payload), payload.view
    modal_context = ModalContext.from_metadata(view.private_metadata)
    values = {block: _input_value(fields) for block, fields in view.state.values.items()}
    return ViewSubmission(
        thread_ref=ThreadRef(team, modal_context.channel, modal_context.thread_ts),
        message_ts=modal_context.message_ts,
        by=_action_user_address(payload.user, team),
        callback_id=view.callback_id,
        signed_value=modal_context.signed_value,
        values=values,
        # After an error a modal is submitted again, with other values.
        dedup_keys=(f"modal:{team}:{payload.user.id}:{view.id}:{_digest(json.dumps(values, sort_keys=True))}",),
        page=modal_context.page,
    )


def parse_message_shortcut(body: Mapping[str, Any]) -> MessageShortcut:
    """Parse the use of the message shortcut."""
    payload = validate(MessageActionPayload, body)
    team, message = _team_id(payload), validate(ShortcutMessage, payload.message)
    author_team = message.user_team or message.source_team or message.team or team
    author = user_address(message.user, author_team) if message.user and not message.bot_id else None
    author_name = author or describe_author(payload.message)
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
        quotes=extract_quotes(payload.message, author_name),
        author_name=author_name,
    )


def _input_value(fields: Mapping[str, InputState]) -> str | None:
    """Return the value of a block's only field, None if it is empty."""
    field = next(iter(fields.values()), InputState())
    value = field.selected_option.value if field.selected_option else field.value
    return value.replace("\x00", "\ufffd") if value else None


def _team_id(payload: BlockActionsPayload | ViewSubmissionPayload | MessageActionPayload) -> TeamId:
    """Return the payload's team. A payload of an organization's installation may name only the user's own team."""
    found = (
        payload.team.id
        if payload.team
        else payload.user.team_id or (payload.enterprise.id if payload.enterprise else None)
    )
    if found is None:
        raise InvalidInput("invalid Slack payload: team")
    return found


def _action_user_address(user: ActionUser, team: str) -> Address:
    return user_address(user.id, user.team_id or team)


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:32]
