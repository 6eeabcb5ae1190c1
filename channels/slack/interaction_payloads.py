"""Schemas of interaction payloads, with the fields that Handrail reads.

Source: docs.slack.dev/reference/interaction-payloads.
"""

from typing import Annotated, Any

from pydantic import Field

from channels.slack.payloads import (
    ChannelId,
    DeletedMessage,
    Identifier,
    OpaqueText,
    OptionalTeamId,
    OptionalTs,
    Payload,
    TeamId,
    Ts,
    UserId,
)


class TeamRef(Payload):
    """Workspace of an interaction, or its organization."""

    id: TeamId


class ActionUser(Payload):
    """User who pressed a button or submitted a modal."""

    id: UserId
    team_id: OptionalTeamId = None


class Container(Payload):
    """Message that contains a button. For an ephemeral message the payload has no other information about it."""

    message_ts: Ts
    channel_id: ChannelId
    thread_ts: OptionalTs = None


class SelectedOption(Payload):
    """Option chosen from a select menu."""

    value: OpaqueText


class ActionPayload(Payload):
    """One button press or choice."""

    action_id: Identifier
    action_ts: Ts
    block_id: OpaqueText = ""
    value: OpaqueText = ""
    selected_option: SelectedOption | None = None


class BlockActionsPayload(Payload):
    """`block_actions`: button presses or choices in a message."""

    team: TeamRef | None = None
    enterprise: TeamRef | None = None
    user: ActionUser
    container: Container
    actions: Annotated[list[ActionPayload], Field(min_length=1)]
    trigger_id: OpaqueText
    response_url: OpaqueText | None = None
    message: dict[str, Any] | None = None


class ChannelRef(Payload):
    """Channel in which a shortcut was used."""

    id: ChannelId


class ShortcutMessage(DeletedMessage):
    """Message on which a shortcut was used; a bot's message may have no user."""

    ts: Ts
    bot_id: OpaqueText | None = None


class MessageActionPayload(Payload):
    """`message_action`: use of a message shortcut."""

    team: TeamRef | None = None
    enterprise: TeamRef | None = None
    user: ActionUser
    channel: ChannelRef
    message: dict[str, Any]
    trigger_id: OpaqueText
    response_url: OpaqueText | None = None
    action_ts: Ts


class InputState(Payload):
    """Content of one field of a modal."""

    value: str | None = None
    selected_option: SelectedOption | None = None


class ViewState(Payload):
    """Fields of a modal, by block id and action id."""

    values: dict[OpaqueText, dict[str, InputState]] = {}


class ViewPayload(Payload):
    """Submitted modal."""

    id: Identifier
    callback_id: OpaqueText = ""
    private_metadata: OpaqueText = ""
    state: ViewState = ViewState()


class ViewSubmissionPayload(Payload):
    """`view_submission`: submission of a modal."""

    team: TeamRef | None = None
    enterprise: TeamRef | None = None
    user: ActionUser
    view: ViewPayload


class SlashCommandPayload(Payload):
    """Form fields of a slash command."""

    team_id: TeamId
    channel_id: ChannelId
    user_id: UserId
    command: Identifier
    text: str = ""
    trigger_id: OpaqueText
    response_url: OpaqueText | None = None
