"""The parts we need of events, in Slack's own words (docs.slack.dev/reference/events)."""

from typing import Any

from channels.slack.payloads import Channel, MaybeTeam, MaybeTs, Name, Opaque, Shape, Team, Ts, User


class Envelope(Shape):
    """What the Events API puts around each event."""

    team_id: Team
    api_app_id: Opaque | None = None
    event_id: Name
    event: dict[str, Any]


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
