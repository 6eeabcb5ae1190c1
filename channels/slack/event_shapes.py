"""The parts we need of events, in Slack's own words (docs.slack.dev/reference/events)."""

from typing import Any

from agents.errors import Invalid
from channels.slack.payloads import Channel, MaybeTeam, MaybeTs, Name, Opaque, Shape, Ts, User


class Envelope(Shape):
    """What the Events API puts around each event."""

    team_id: MaybeTeam = None
    context_team_id: MaybeTeam = None
    enterprise_id: MaybeTeam = None
    context_enterprise_id: MaybeTeam = None
    api_app_id: Opaque | None = None
    event_id: Name
    event: dict[str, Any]

    @property
    def team(self) -> str:
        """Where it happened: a workspace, else an organisation. Raises Invalid when neither is named."""
        teams = (self.team_id, self.context_team_id, self.enterprise_id, self.context_enterprise_id)
        if (found := next(filter(None, teams), None)) is None:
            raise Invalid("not understood, from Slack: team_id")
        return found


class Edit(Shape):
    """When a message was last changed."""

    ts: Ts


class Message(Shape):
    """A message of a person, alone or inside of an event that tells of its change."""

    user: User
    ts: Ts
    thread_ts: MaybeTs = None
    user_team: MaybeTeam = None
    source_team: MaybeTeam = None
    team: MaybeTeam = None
    client_msg_id: Name | None = None
    edited: Edit | None = None


class MessageEvent(Shape):
    """Where a message was said or changed."""

    channel: Channel
    channel_type: str | None = None


class DeletedEvent(Shape):
    """A message that is gone, and what it was."""

    channel: Channel
    deleted_ts: Ts
    event_ts: Ts
    previous_message: dict[str, Any] | None = None


class Remnant(Shape):
    """What is left of a message that is gone."""

    user: User | None = None
    thread_ts: MaybeTs = None
    user_team: MaybeTeam = None
    source_team: MaybeTeam = None
    team: MaybeTeam = None


class StoppedEvent(Shape):
    """`agent_session_stopped`."""

    channel: Channel
    thread_ts: Ts
    user: User
    event_ts: Ts


class OpenedEvent(Shape):
    """`app_home_opened`."""

    channel: Channel
    user: User
    tab: Name = "home"
    event_ts: Ts
