"""What Slack sends, held to its shapes: names of people, channels and messages become addresses and keys."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import from_json

from agents.addresses import Address
from agents.errors import Invalid

MOST_BYTES = 1_000_000

Team = Annotated[str, Field(pattern=r"^[TE][A-Z0-9]{1,30}$")]
User = Annotated[str, Field(pattern=r"^[UW][A-Z0-9]{1,30}$")]
Channel = Annotated[str, Field(pattern=r"^[CDG][A-Z0-9]{1,30}$")]
Ts = Annotated[str, Field(pattern=r"^[0-9]{1,10}\.[0-9]{1,6}$")]
Name = Annotated[str, Field(pattern=r"^[!-~]{1,100}$")]
Opaque = Annotated[str, Field(max_length=3000, pattern=r"^[^\x00]*$")]


def _without_empty(value: Any) -> Any:
    """Slack writes what is not there as null, as an empty text, or not at all."""
    return None if value == "" else value


MaybeTs = Annotated[Ts | None, BeforeValidator(_without_empty)]
MaybeTeam = Annotated[Team | None, BeforeValidator(_without_empty)]


class Shape(BaseModel):
    """Part of a payload; Slack adds fields as it likes."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


AnyShape = TypeVar("AnyShape", bound=Shape)


def shaped(kind: type[AnyShape], value: Any) -> AnyShape:
    """The value in this shape. Raises Invalid, which tells the place of each mistake and never what stood there."""
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        where = {".".join(map(str, mistake["loc"])) for mistake in error.errors(include_url=False)}
        raise Invalid(f"not understood, from Slack: {', '.join(sorted(where))[:200]}") from None


def json_object(text: bytes | str) -> dict[str, Any]:
    """The JSON object of a text. Raises Invalid: lone surrogates, endless depth and NaN are no JSON either."""
    try:
        value = from_json(text, allow_inf_nan=False)
    except ValueError:
        raise Invalid("this is not JSON") from None
    if not isinstance(value, dict):
        raise Invalid("this is JSON, but not an object")
    return value


def identity(user: str, team: str) -> Address:
    """A person of one workspace, as `handrail.toml` writes people."""
    return Address(f"slack:{team}/{user}")


def time_of(ts: str) -> datetime:
    """When it was, to the second; ts itself tells the order."""
    return datetime.fromtimestamp(int(ts.partition(".")[0]), UTC)


def part(value: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The object of that name. Raises Invalid when there is none."""
    found = value.get(name)
    if not isinstance(found, dict):
        raise Invalid(f"not understood, from Slack: {name}")
    return found
