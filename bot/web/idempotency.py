"""`Idempotency-Key`: whoever asks again with the same key gets the first answer again, and nothing is done twice.

The answer is kept in the transaction of the events it tells of, so neither is there without the other.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, Any

from fastapi import Depends, Header, Request
from fastapi.responses import JSONResponse
from pydantic import ValidationError

from agents.errors import IdempotencyKeyReused, WrongState
from agents.frozen import FrozenModel
from bot.engine import CommitResult, Engine, ResponseRenderer
from bot.web.context import Context
from bot.web.principal import Caller
from storage.inbox import IdempotencyClaim, PreviousResult, find_duplicate

REPLAYED_HEADER = "Idempotency-Replayed"


class StoredResponse(FrozenModel):
    """What was answered, as it is kept."""

    status: int
    body: dict[str, Any]

    def to_json(self) -> str:
        """The answer as the inbox keeps it."""
        return json.dumps({"status": self.status, "body": self.body}, ensure_ascii=False)

    def to_response(self, *, is_replayed: bool = False) -> JSONResponse:
        """The answer as bytes: the same ones whenever it is given."""
        return JSONResponse(self.body, self.status, headers={REPLAYED_HEADER: "true"} if is_replayed else None)


Operation = Callable[[IdempotencyClaim | None, ResponseRenderer | None], Awaitable[CommitResult]]
ResponseBuilder = Callable[[CommitResult], StoredResponse]


@dataclass(frozen=True)
class IdempotentOperation:
    """One POST, and the claim its key lays on what it does; None without a key."""

    engine: Engine
    claim: IdempotencyClaim | None

    async def run(self, operation: Operation, build_response: ResponseBuilder) -> JSONResponse:
        """Act and tell, or tell what was told before. Raises KeyReused, and what `act` raises: then nothing is kept."""
        if self.claim is None:
            return build_response(await operation(None, None)).to_response()
        earlier = await self._find_previous(self.claim)
        if earlier is None:
            recorded = await operation(self.claim, lambda recorded: build_response(recorded).to_json())
            if recorded.duplicate_of is None:
                return build_response(recorded).to_response()
            earlier = recorded.duplicate_of
        return _replay(earlier, self.claim)

    async def _find_previous(self, claim: IdempotencyClaim) -> PreviousResult | None:
        """Looked up before acting: what was right the first time may be refused by now."""
        return await self.engine.database.read(lambda connection: find_duplicate(connection, claim))


def _replay(previous: PreviousResult, claim: IdempotencyClaim) -> JSONResponse:
    if previous.fingerprint != claim.fingerprint or previous.reply is None:
        raise IdempotencyKeyReused
    try:
        return StoredResponse.model_validate_json(previous.reply).to_response(is_replayed=True)
    except ValidationError as error:
        raise WrongState(
            f"this was done before, in thread {previous.thread_id}, and answered by a newer Handrail: "
            "look at the thread"
        ) from error


async def _idempotency(
    request: Request,
    context: Context,
    caller: Caller,
    idempotency_key: Annotated[
        str | None,
        Header(
            min_length=1,
            max_length=255,
            pattern=r"^[\x21-\x7e]+$",
            description="your own name for this request: sent again with it, it is answered again and not done again",
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


Idempotency = Annotated[IdempotentOperation, Depends(_idempotency)]
