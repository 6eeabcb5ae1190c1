"""What Slack sends, held to its shapes: names of people, channels and messages become addresses and keys."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import from_json

from agents.addresses import Address
from agents.errors import InvalidInput

MAX_BODY_BYTES = 1_000_000

TeamId = Annotated[str, Field(pattern=r"^[TE][A-Z0-9]{1,30}$")]
UserId = Annotated[str, Field(pattern=r"^[UW][A-Z0-9]{1,30}$")]
ChannelId = Annotated[str, Field(pattern=r"^[CDG][A-Z0-9]{1,30}$")]
Ts = Annotated[str, Field(pattern=r"^[0-9]{1,10}\.[0-9]{1,6}$")]
Identifier = Annotated[str, Field(pattern=r"^[!-~]{1,100}$")]
OpaqueText = Annotated[str, Field(max_length=3000, pattern=r"^[^\x00]*$")]


def _empty_to_none(value: Any) -> Any:
    """Slack writes what is not there as null, as an empty text, or not at all."""
    return None if value == "" else value


OptionalTs = Annotated[Ts | None, BeforeValidator(_empty_to_none)]
OptionalTeamId = Annotated[TeamId | None, BeforeValidator(_empty_to_none)]


class Payload(BaseModel):
    """Part of a payload; Slack adds fields as it likes."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


PayloadT = TypeVar("PayloadT", bound=Payload)


def validate(kind: type[PayloadT], value: Any) -> PayloadT:
    """The value in this shape. Raises Invalid, which tells the place of each mistake and never what stood there."""
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        where = {".".join(map(str, mistake["loc"])) for mistake in error.errors(include_url=False)}
        raise InvalidInput(f"not understood, from Slack: {', '.join(sorted(where))[:200]}") from None


def parse_json_object(text: bytes | str) -> dict[str, Any]:
    """The JSON object of a text. Raises Invalid: lone surrogates, endless depth and NaN are no JSON either."""
    try:
        value = from_json(text, allow_inf_nan=False)
    except ValueError:
        raise InvalidInput("this is not JSON") from None
    if not isinstance(value, dict):
        raise InvalidInput("this is JSON, but not an object")
    return value


def user_address(user: str, team: str) -> Address:
    """A person of one workspace, as `handrail.toml` writes people."""
    return Address(f"slack:{team}/{user}")


def parse_ts(ts: str) -> datetime:
    """When it was, to the second; ts itself tells the order."""
    return datetime.fromtimestamp(int(ts.partition(".")[0]), UTC)


def get_object(value: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The object of that name. Raises Invalid when there is none."""
    found = value.get(name)
    if not isinstance(found, dict):
        raise InvalidInput(f"not understood, from Slack: {name}")
    return found
