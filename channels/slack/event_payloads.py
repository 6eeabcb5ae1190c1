"""Schemas of event payloads, with the fields that Handrail reads (docs.slack.dev/reference/events)."""

from typing import Any

from agents.errors import InvalidInput
from channels.slack.payloads import ChannelId, Identifier, OpaqueText, OptionalTeamId, OptionalTs, Payload, Ts, UserId


class EventCallbackPayload(Payload):
    """Outer payload of every event (`event_callback`)."""

    team_id: OptionalTeamId = None
    context_team_id: OptionalTeamId = None
    enterprise_id: OptionalTeamId = None
    context_enterprise_id: OptionalTeamId = None
    api_app_id: OpaqueText | None = None
    event_id: Identifier
    event: dict[str, Any]

    @property
    def team(self) -> str:
        """Workspace of the event, or else its organization. Raises InvalidInput if neither is named."""
        teams = (self.team_id, self.context_team_id, self.enterprise_id, self.context_enterprise_id)
        if (found := next(filter(None, teams), None)) is None:
            raise InvalidInput("invalid Slack payload: team_id")
        return found


class MessageEdit(Payload):
    """Last edit of a message."""

    ts: Ts


class MessagePayload(Payload):
    """Message of a user, as an event or within a `message_changed` event."""

    user: UserId
    ts: Ts
    thread_ts: OptionalTs = None
    user_team: OptionalTeamId = None
    source_team: OptionalTeamId = None
    team: OptionalTeamId = None
    client_msg_id: Identifier | None = None
    edited: MessageEdit | None = None


class MessageLocation(Payload):
    """Channel of a message event."""

    channel: ChannelId
    channel_type: str | None = None


class MessageDeletedPayload(Payload):
    """`message_deleted` event."""

    channel: ChannelId
    deleted_ts: Ts
    event_ts: Ts
    previous_message: dict[str, Any] | None = None


class DeletedMessage(Payload):
    """Deleted message, as the event describes it."""

    user: UserId | None = None
    thread_ts: OptionalTs = None
    user_team: OptionalTeamId = None
    source_team: OptionalTeamId = None
    team: OptionalTeamId = None


class SessionStoppedPayload(Payload):
    """`agent_session_stopped` event."""

    channel: ChannelId
    thread_ts: Ts
    user: UserId
    event_ts: Ts


class AppHomeOpenedPayload(Payload):
    """`app_home_opened` event."""

    channel: ChannelId
    user: UserId
    tab: Identifier = "home"
    event_ts: Ts
