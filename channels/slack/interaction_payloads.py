"""The parts we need of interactions, in Slack's own words (docs.slack.dev/reference/interaction-payloads)."""

from typing import Annotated, Any

from pydantic import Field

from channels.slack.event_payloads import DeletedMessage
from channels.slack.payloads import (
    ChannelId,
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
    """The team of an interaction, or its organisation."""

    id: TeamId


class ActionUser(Payload):
    """Who pressed a button or sent a modal."""

    id: UserId
    team_id: OptionalTeamId = None


class Container(Payload):
    """The message a button stands in. An ephemeral one is told of nowhere else."""

    message_ts: Ts
    channel_id: ChannelId
    thread_ts: OptionalTs = None


class SelectedOption(Payload):
    """What was chosen from a list."""

    value: OpaqueText


class ActionPayload(Payload):
    """One button pressed."""

    action_id: Identifier
    action_ts: Ts
    block_id: OpaqueText = ""
    value: OpaqueText = ""
    selected_option: SelectedOption | None = None


class BlockActionsPayload(Payload):
    """Buttons pressed in a message."""

    team: TeamRef | None = None
    enterprise: TeamRef | None = None
    user: ActionUser
    container: Container
    actions: Annotated[list[ActionPayload], Field(min_length=1)]
    trigger_id: OpaqueText
    response_url: OpaqueText | None = None
    message: dict[str, Any] | None = None


class ChannelRef(Payload):
    """Where a shortcut was used."""

    id: ChannelId


class ShortcutMessage(DeletedMessage):
    """The message a shortcut was used on; of a bot's there may be no user."""

    ts: Ts
    bot_id: OpaqueText | None = None


class MessageActionPayload(Payload):
    """Our shortcut used on a message."""

    team: TeamRef | None = None
    enterprise: TeamRef | None = None
    user: ActionUser
    channel: ChannelRef
    message: dict[str, Any]
    trigger_id: OpaqueText
    response_url: OpaqueText | None = None
    action_ts: Ts


class InputState(Payload):
    """What stands in one field of a modal."""

    value: str | None = None
    selected_option: SelectedOption | None = None


class ViewState(Payload):
    """All fields of a modal, by block and by action."""

    values: dict[OpaqueText, dict[str, InputState]] = {}


class ViewPayload(Payload):
    """A modal as it was sent."""

    id: Identifier
    callback_id: OpaqueText = ""
    private_metadata: OpaqueText = ""
    state: ViewState = ViewState()


class ViewSubmissionPayload(Payload):
    """A modal sent."""

    team: TeamRef | None = None
    enterprise: TeamRef | None = None
    user: ActionUser
    view: ViewPayload


class SlashCommandPayload(Payload):
    """The form of a slash command."""

    team_id: TeamId
    channel_id: ChannelId
    user_id: UserId
    command: Identifier
    text: str = ""
    trigger_id: OpaqueText
    response_url: OpaqueText | None = None
