"""The parts we need of events, in Slack's own words (docs.slack.dev/reference/events)."""

from typing import Any

from agents.errors import InvalidInput
from channels.slack.payloads import ChannelId, Identifier, OpaqueText, OptionalTeamId, OptionalTs, Payload, Ts, UserId


class EventCallbackPayload(Payload):
    """What the Events API puts around each event."""

    team_id: OptionalTeamId = None
    context_team_id: OptionalTeamId = None
    enterprise_id: OptionalTeamId = None
    context_enterprise_id: OptionalTeamId = None
    api_app_id: OpaqueText | None = None
    event_id: Identifier
    event: dict[str, Any]

    @property
    def team(self) -> str:
        """Where it happened: a workspace, else an organisation. Raises Invalid when neither is named."""
        teams = (self.team_id, self.context_team_id, self.enterprise_id, self.context_enterprise_id)
        if (found := next(filter(None, teams), None)) is None:
            raise InvalidInput("not understood, from Slack: team_id")
        return found


class MessageEdit(Payload):
    """When a message was last changed."""

    ts: Ts


class MessagePayload(Payload):
    """A message of a person, alone or inside of an event that tells of its change."""

    user: UserId
    ts: Ts
    thread_ts: OptionalTs = None
    user_team: OptionalTeamId = None
    source_team: OptionalTeamId = None
    team: OptionalTeamId = None
    client_msg_id: Identifier | None = None
    edited: MessageEdit | None = None


class MessageLocation(Payload):
    """Where a message was said or changed."""

    channel: ChannelId
    channel_type: str | None = None


class MessageDeletedPayload(Payload):
    """A message that is gone, and what it was."""

    channel: ChannelId
    deleted_ts: Ts
    event_ts: Ts
    previous_message: dict[str, Any] | None = None


class DeletedMessage(Payload):
    """What is left of a message that is gone."""

    user: UserId | None = None
    thread_ts: OptionalTs = None
    user_team: OptionalTeamId = None
    source_team: OptionalTeamId = None
    team: OptionalTeamId = None


class SessionStoppedPayload(Payload):
    """`agent_session_stopped`."""

    channel: ChannelId
    thread_ts: Ts
    user: UserId
    event_ts: Ts


class AppHomeOpenedPayload(Payload):
    """`app_home_opened`."""

    channel: ChannelId
    user: UserId
    tab: Identifier = "home"
    event_ts: Ts
