"""`Idempotency-Key`: a POST repeated with the same key gets the first response again and is not carried out twice.

The response is stored in the same transaction as the events it describes.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, Any

from fastapi import Depends, Header, Request
from fastapi.responses import JSONResponse
from pydantic import ValidationError

from agents.core.errors import IdempotencyKeyReused, WrongState
from agents.core.values import FrozenModel
from bot.api.auth import Caller
from bot.api.context import Context
from bot.services.engine import CommitResult, Engine, ResponseRenderer
from storage.inbox import IdempotencyClaim, PreviousResult, find_duplicate

REPLAYED_HEADER = "Idempotency-Replayed"


class StoredResponse(FrozenModel):
    """Response as it is stored for replays."""

    status: int
    body: dict[str, Any]

    def to_json(self) -> str:
        """Return the response as JSON text for the inbox."""
        return json.dumps({"status": self.status, "body": self.body}, ensure_ascii=False)

    def to_response(self, *, is_replayed: bool = False) -> JSONResponse:
        """Return the HTTP response. A replay has the same body as the first response."""
        return JSONResponse(self.body, self.status, headers={REPLAYED_HEADER: "true"} if is_replayed else None)


Operation = Callable[[IdempotencyClaim | None, ResponseRenderer | None], Awaitable[CommitResult]]
ResponseBuilder = Callable[[CommitResult], StoredResponse]


@dataclass(frozen=True)
class IdempotentOperation:
    """Runs the operation of one POST at most once per key. `claim` is None without an Idempotency-Key."""

    engine: Engine
    claim: IdempotencyClaim | None

    async def run(self, operation: Operation, build_response: ResponseBuilder) -> JSONResponse:
        """Run the operation and return its response, or replay the stored response.

        Raises IdempotencyKeyReused when the key was used for another body, and errors of `operation`, after which
        nothing is stored.
        """
        if self.claim is None:
            return build_response(await operation(None, None)).to_response()
        previous = await self._find_previous(self.claim)
        if previous is None:
            result = await operation(self.claim, lambda result: build_response(result).to_json())
            if result.duplicate_of is None:
                return build_response(result).to_response()
            previous = result.duplicate_of
        return _replay(previous, self.claim)

    async def _find_previous(self, claim: IdempotencyClaim) -> PreviousResult | None:
        """Look for a stored response before acting, because the operation may be refused the second time."""
        return await self.engine.database.read(lambda connection: find_duplicate(connection, claim))


def _replay(previous: PreviousResult, claim: IdempotencyClaim) -> JSONResponse:
    if previous.fingerprint != claim.fingerprint or previous.reply is None:
        raise IdempotencyKeyReused
    try:
        return StoredResponse.model_validate_json(previous.reply).to_response(is_replayed=True)
    except ValidationError as error:
        raise WrongState(
            f"this was done before in thread {previous.thread_id} by a newer Handrail version, whose response this "
            "version cannot read; look at the thread"
        ) from error


async def _get_idempotent_operation(
    request: Request,
    context: Context,
    caller: Caller,
    idempotency_key: Annotated[
        str | None,
        Header(
            min_length=1,
            max_length=255,
            pattern=r"^[\x21-\x7e]+$",
            description="A unique key for this request. If you repeat it, you get the first response again.",
        ),
    ] = None,
) -> IdempotentOperation:
    if idempotency_key is None:
        return IdempotentOperation(context.bot.engine, None)
    key = f"{request.method} {request.scope['path']} {idempotency_key}"
    fingerprint = sha256(await request.body()).hexdigest()
    return IdempotentOperation(
        context.bot.engine, IdempotencyClaim(channel=caller.source, keys=(key,), fingerprint=fingerprint)
    )


Idempotency = Annotated[IdempotentOperation, Depends(_get_idempotent_operation)]
