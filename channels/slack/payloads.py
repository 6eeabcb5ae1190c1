"""Schemas of event payloads, with the fields that Handrail reads (docs.slack.dev/reference/events)."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from agents.core.canonical_json import parse_strict_json
from agents.core.errors import InvalidInput
from agents.core.values import Address

MAX_BODY_BYTES = 1_000_000

TeamId = Annotated[str, Field(pattern=r"^[TE][A-Z0-9]{1,30}$")]
UserId = Annotated[str, Field(pattern=r"^[UW][A-Z0-9]{1,30}$")]
ChannelId = Annotated[str, Field(pattern=r"^[CDG][A-Z0-9]{1,30}$")]
Ts = Annotated[str, Field(pattern=r"^[0-9]{1,10}\.[0-9]{1,6}$")]
Identifier = Annotated[str, Field(pattern=r"^[!-~]{1,100}$")]
OpaqueText = Annotated[str, Field(max_length=3000, pattern=r"^[^\x00]*$")]


def _empty_to_none(value: Any) -> Any:
    """Turn an empty string into None: Slack sends absent values as null, as an empty string, or not at all."""
    return None if value == "" else value


OptionalTs = Annotated[Ts | None, BeforeValidator(_empty_to_none)]
OptionalTeamId = Annotated[TeamId | None, BeforeValidator(_empty_to_none)]


class Payload(BaseModel):
    """Base class of payload schemas. Unknown fields are ignored, because Slack adds fields at any time."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


PayloadT = TypeVar("PayloadT", bound=Payload)


def validate(kind: type[PayloadT], value: Any) -> PayloadT:
    """Validate a value. Raises InvalidInput with the names of the invalid fields but not with their values."""
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        fields = {".".join(map(str, details["loc"])) for details in error.errors(include_url=False)}
        raise InvalidInput(f"invalid Slack payload: {', '.join(sorted(fields))[:200]}") from None


def parse_json_object(text: bytes | str) -> dict[str, Any]:
    """Parse a JSON object. Raises InvalidInput as `parse_strict_json` does, but without the reason."""
    try:
        value = parse_strict_json(text)
    except InvalidInput:
        raise InvalidInput("invalid JSON") from None
    if not isinstance(value, dict):
        raise InvalidInput("the JSON value is not an object")
    return value


def user_address(user: str, team: str) -> Address:
    """Return the address of a user of one workspace, in the form that `handrail.toml` uses."""
    return Address(f"slack:{team}/{user}")


def parse_ts(ts: str) -> datetime:
    """Return the time of a ts, to the second. Compare the ts itself for the order of messages."""
    return datetime.fromtimestamp(int(ts.partition(".")[0]), UTC)


def get_object(value: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the object in this field. Raises InvalidInput if there is none."""
    found = value.get(name)
    if not isinstance(found, dict):
        raise InvalidInput(f"invalid Slack payload: {name}")
    return found


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
