"""Request bodies and query parameters of the API.

Bodies are strict JSON with a JSON Content-Type. Unknown fields are rejected, so that typos are noticed.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Collection, Coroutine
from datetime import UTC, datetime
from typing import Annotated, Any, Self

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticSerializationError, to_json
from starlette.exceptions import HTTPException

from agents.core.canonical_json import compute_digest, parse_strict_json
from agents.core.errors import InvalidArguments, InvalidInput
from agents.core.people import People
from agents.core.requests import Decision, RequestStatus
from agents.core.state import ThreadStatus
from agents.core.values import Address, FrozenModel


class JsonRoute(APIRoute):
    """Route that accepts only strict JSON bodies."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        if self.body_field is None:
            return handle

        async def handle_json(request: Request) -> Response:
            _check_content_type(request)
            return await handle(_JsonRequest(request.scope, request.receive))

        return handle_json


class _JsonRequest(Request):
    async def json(self) -> Any:
        return parse_json(await self.body())


def parse_json(raw: bytes) -> Any:
    """Return the value of a JSON body. Raises HTTPException 400 that says where the error is."""
    try:
        return parse_strict_json(raw)
    except InvalidInput as error:
        raise HTTPException(400, f"the body is not valid JSON: {error}") from error


def _check_content_type(request: Request) -> None:
    """Reject a body of another type. This also stops cross-site form posts."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == "application/json" or (media_type.startswith("application/") and media_type.endswith("+json")):
        return
    if media_type or _has_body(request):
        raise HTTPException(415, "send the body as JSON, with Content-Type: application/json")


def _has_body(request: Request) -> bool:
    return request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers


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


Position = tuple[datetime, str]
"""Time and id of the last item on the page before."""


def format_cursor(at: datetime, item_id: str) -> str:
    """Return the cursor that continues after this item."""
    return urlsafe_b64encode(f"{at.astimezone(UTC).isoformat()},{item_id}".encode()).decode().rstrip("=")


def parse_cursor(cursor: str | None) -> Position | None:
    """Return the position of a cursor, or None for the beginning. Raises InvalidInput for an invalid cursor."""
    if cursor is None:
        return None
    try:
        text = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        at, _, item_id = text.partition(",")
        return datetime.fromisoformat(at).astimezone(UTC), item_id
    except (ValueError, OverflowError) as error:
        raise InvalidInput("invalid cursor; omit it to start from the first page") from error


MAX_LIMIT = 200
QueryText = Annotated[str, StringConstraints(max_length=500)]


class _ListParams(FrozenModel):
    cursor: QueryText | None = Field(default=None, description="`next_cursor` of the previous page.")
    limit: int = Field(default=50, ge=1, le=MAX_LIMIT, description="Maximum number of items on a page.")

    @model_validator(mode="before")
    @classmethod
    def _drop_empty_values(cls, values: Any) -> Any:
        return {name: value for name, value in values.items() if value != ""} if isinstance(values, dict) else values


class ThreadListParams(_ListParams):
    """Filters for a list of threads."""

    status: ThreadStatus | None = None
    agent: QueryText | None = None


class RequestListParams(_ListParams):
    """Filters for a list of requests."""

    status: RequestStatus | None = None
    thread_id: QueryText | None = None
    mine: bool = Field(default=False, description="Only requests that you could decide now.")
    as_: Address | None = Field(
        default=None, alias="as", description="The person that `mine` refers to; requires the admin scope."
    )

    @property
    def status_filter(self) -> RequestStatus | None:
        """Status to query for. `mine` implies open, because only open requests can be decided."""
        return self.status or ("open" if self.mine else None)


def resolve_reply_address(address: Address, people: People, schemes: Collection[str]) -> Address:
    """Return an address on a channel of this process; a person's address becomes their terminal.

    Raises InvalidInput for an unknown person or channel.
    """
    if address.scheme == "person":
        if not (addresses := people.resolve_addresses(address, None)):
            raise InvalidInput(f"reply_to: {address} is not a known person")
        return addresses[0]
    if address.scheme not in schemes:
        available = ", ".join(sorted({*schemes, "person"}))
        raise InvalidInput(f"reply_to: unknown channel {address.scheme}; use one of: {available}")
    return address
