"""What the API is told: the bodies of its requests. A field nobody knows is refused, so that no typo goes unnoticed."""

from typing import Annotated, Any, Self

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticSerializationError, to_json

from agents.addresses import Address
from agents.digest import compute_digest
from agents.errors import InvalidArguments
from agents.frozen import FrozenModel
from agents.requests import Decision

MAX_TEXT_LENGTH = 16_000
MAX_COMMENT_LENGTH = 2_000
MAX_SAFE_INTEGER = 2**53  # the largest that every JSON reader takes exactly, RFC 7493 §2.2


def _require_not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be blank")
    return text


def _require_plain_json(arguments: dict[str, Any]) -> dict[str, Any]:
    """What no digest or no log could hold is refused before anybody acts on it."""
    try:
        compute_digest(arguments=arguments)
        to_json(arguments)
    except (InvalidArguments, PydanticSerializationError) as error:
        raise ValueError("must be plain JSON: numbers up to 2^53, and not nested beyond reason") from error
    return arguments


Text = Annotated[str, StringConstraints(min_length=1, max_length=MAX_TEXT_LENGTH), AfterValidator(_require_not_blank)]
Label = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Labels = Annotated[dict[Label, Annotated[str, StringConstraints(max_length=256)]], Field(max_length=20)]


class StrictBody(FrozenModel):
    """JSON values are taken as they are: a number in quotes is no number."""

    model_config = ConfigDict(strict=True)


class ThreadCreate(StrictBody):
    """A thread to open. `requester` speaks, `reply_to` is where replies go; both default to the token."""

    message: Text
    agent: Annotated[str, StringConstraints(max_length=64)] | None = None
    requester: Address | None = None
    reply_to: Address | None = None
    labels: Labels | None = None


class MessageCreate(StrictBody):
    """Something to say in a thread; `actor` says it."""

    text: Text
    actor: Address | None = None


class ForkCreate(StrictBody):
    """The last event the fork inherits."""

    at: Annotated[int, Field(ge=1, le=MAX_SAFE_INTEGER)]


class AnswerCreate(StrictBody):
    """An answer to a request.

    `digest` is what the person was shown: with it, an answer to something that was edited meanwhile is refused.
    `actor`, an admin's right, is who answers.
    """

    decision: Decision
    comment: Annotated[str, StringConstraints(max_length=MAX_COMMENT_LENGTH)] | None = None
    text: Annotated[str, StringConstraints(max_length=MAX_TEXT_LENGTH)] | None = None
    arguments: Annotated[dict[str, Any], AfterValidator(_require_plain_json)] | None = None
    digest: Annotated[str, StringConstraints(max_length=128)] | None = None
    actor: Address | None = None

    @model_validator(mode="after")
    def _check_arguments_only_for_edit(self) -> Self:
        if self.arguments is not None and self.decision != "edit":
            raise ValueError(f"arguments go with the decision edit, not with {self.decision}")
        return self
