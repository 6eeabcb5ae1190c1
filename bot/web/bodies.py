"""What the API is told: the bodies of its requests. A field nobody knows is refused, so that no typo goes unnoticed."""

from typing import Annotated, Any, Self

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticSerializationError, to_json

from agents.addresses import Address
from agents.digest import digest_of
from agents.errors import InvalidArguments
from agents.frozen import Frozen
from agents.requests import Decision

LONGEST_TEXT = 16_000
LONGEST_COMMENT = 2_000
LARGEST_NUMBER = 2**53  # the largest that every JSON reader takes exactly, RFC 7493 §2.2


def _says_something(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be blank")
    return text


def _exact(arguments: dict[str, Any]) -> dict[str, Any]:
    """What no digest or no log could hold is refused before anybody acts on it."""
    try:
        digest_of(arguments=arguments)
        to_json(arguments)
    except (InvalidArguments, PydanticSerializationError) as error:
        raise ValueError("must be plain JSON: numbers up to 2^53, and not nested beyond reason") from error
    return arguments


Text = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_TEXT), AfterValidator(_says_something)]
Label = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Labels = Annotated[dict[Label, Annotated[str, StringConstraints(max_length=256)]], Field(max_length=20)]


class Body(Frozen):
    """JSON values are taken as they are: a number in quotes is no number."""

    model_config = ConfigDict(strict=True)


class NewThread(Body):
    """A thread to open. `requester` speaks, `reply_to` is where replies go; both default to the token."""

    message: Text
    agent: Annotated[str, StringConstraints(max_length=64)] | None = None
    requester: Address | None = None
    reply_to: Address | None = None
    labels: Labels | None = None


class NewMessage(Body):
    """Something to say in a thread; `actor` says it."""

    text: Text
    actor: Address | None = None


class ForkPoint(Body):
    """The last event the fork inherits."""

    at: Annotated[int, Field(ge=1, le=LARGEST_NUMBER)]


class NewAnswer(Body):
    """An answer to a request.

    `digest` is what the person was shown: with it, an answer to something that was edited meanwhile is refused.
    `actor`, an admin's right, is who answers.
    """

    decision: Decision
    comment: Annotated[str, StringConstraints(max_length=LONGEST_COMMENT)] | None = None
    text: Annotated[str, StringConstraints(max_length=LONGEST_TEXT)] | None = None
    arguments: Annotated[dict[str, Any], AfterValidator(_exact)] | None = None
    digest: Annotated[str, StringConstraints(max_length=128)] | None = None
    actor: Address | None = None

    @model_validator(mode="after")
    def _arguments_are_for_edits(self) -> Self:
        if self.arguments is not None and self.decision != "edit":
            raise ValueError(f"arguments go with the decision edit, not with {self.decision}")
        return self
