"""Request bodies of the API. Unknown fields are rejected, so that typos are noticed."""

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
MAX_SAFE_INTEGER = 2**53  # the largest integer that every JSON parser reads exactly, RFC 7493 §2.2


def _require_not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be blank")
    return text


def _require_plain_json(arguments: dict[str, Any]) -> dict[str, Any]:
    """Reject arguments that cannot be digested or stored in the log."""
    try:
        compute_digest(arguments=arguments)
        to_json(arguments)
    except (InvalidArguments, PydanticSerializationError) as error:
        raise ValueError("must be plain JSON: numbers up to 2^53, and not nested too deeply") from error
    return arguments


Text = Annotated[str, StringConstraints(min_length=1, max_length=MAX_TEXT_LENGTH), AfterValidator(_require_not_blank)]
Label = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Labels = Annotated[dict[Label, Annotated[str, StringConstraints(max_length=256)]], Field(max_length=20)]


class StrictBody(FrozenModel):
    """Body whose JSON types must match exactly: a number in quotes is not a number."""

    model_config = ConfigDict(strict=True)


class ThreadCreate(StrictBody):
    """A thread to open. `requester` is the author of the message and `reply_to` receives replies.

    Both default to the owner of the token.
    """

    message: Text
    agent: Annotated[str, StringConstraints(max_length=64)] | None = None
    requester: Address | None = None
    reply_to: Address | None = None
    labels: Labels | None = None


class MessageCreate(StrictBody):
    """A message for a thread. `actor` is its author and defaults to the owner of the token."""

    text: Text
    actor: Address | None = None


class ForkCreate(StrictBody):
    """A thread to fork. `at` is the `seq` of the last event to copy."""

    at: Annotated[int, Field(ge=1, le=MAX_SAFE_INTEGER)]


class AnswerCreate(StrictBody):
    """An answer to a request.

    `digest` is the digest of the request that the person saw; the answer is refused if the request was edited since.
    `actor` is the person who answers, when it is not the owner of the token; it requires the admin scope.
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
            raise ValueError(f"arguments are only for the decision edit, not for {self.decision}")
        return self
