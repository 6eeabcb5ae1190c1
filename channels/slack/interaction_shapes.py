"""The parts we need of interactions, in Slack's own words (docs.slack.dev/reference/interaction-payloads)."""

from typing import Annotated, Any

from pydantic import Field

from channels.slack.event_shapes import Remnant
from channels.slack.payloads import Channel, MaybeTeam, MaybeTs, Name, Opaque, Shape, Team, Ts, User


class Named(Shape):
    """The team of an interaction, or its organisation."""

    id: Team


class Presser(Shape):
    """Who pressed a button or sent a modal."""

    id: User
    team_id: MaybeTeam = None


class Container(Shape):
    """The message a button stands in. An ephemeral one is told of nowhere else."""

    message_ts: Ts
    channel_id: Channel
    thread_ts: MaybeTs = None


class Option(Shape):
    """What was chosen from a list."""

    value: Opaque


class Action(Shape):
    """One button pressed."""

    action_id: Name
    action_ts: Ts
    block_id: Opaque = ""
    value: Opaque = ""
    selected_option: Option | None = None


class BlockActions(Shape):
    """Buttons pressed in a message."""

    team: Named | None = None
    enterprise: Named | None = None
    user: Presser
    container: Container
    actions: Annotated[list[Action], Field(min_length=1)]
    trigger_id: Opaque
    response_url: Opaque | None = None
    message: dict[str, Any] | None = None


class Conversation(Shape):
    """Where a shortcut was used."""

    id: Channel


class PointedMessage(Remnant):
    """The message a shortcut was used on; of a bot's there may be no user."""

    ts: Ts
    bot_id: Opaque | None = None


class MessageAction(Shape):
    """Our shortcut used on a message."""

    team: Named | None = None
    enterprise: Named | None = None
    user: Presser
    channel: Conversation
    message: dict[str, Any]
    trigger_id: Opaque
    response_url: Opaque | None = None
    action_ts: Ts


class Input(Shape):
    """What stands in one field of a modal."""

    value: str | None = None
    selected_option: Option | None = None


class ViewState(Shape):
    """All fields of a modal, by block and by action."""

    values: dict[Opaque, dict[str, Input]] = {}


class View(Shape):
    """A modal as it was sent."""

    id: Name
    callback_id: Opaque = ""
    private_metadata: Opaque = ""
    state: ViewState = ViewState()


class ViewSubmission(Shape):
    """A modal sent."""

    team: Named | None = None
    enterprise: Named | None = None
    user: Presser
    view: View


class SlashCommand(Shape):
    """The form of a slash command."""

    team_id: Team
    channel_id: Channel
    user_id: User
    command: Name
    text: str = ""
    trigger_id: Opaque
    response_url: Opaque | None = None
