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

from agents.errors import KeyReused, WrongState
from agents.frozen import Frozen
from bot.engine import Engine, Recorded, Reply
from bot.web.parts import Here
from bot.web.principal import Caller
from storage.inbox import Claim, Earlier, seen

REPLAYED = "Idempotency-Replayed"


class Told(Frozen):
    """What was answered, as it is kept."""

    status: int
    body: dict[str, Any]

    def kept(self) -> str:
        """The answer as the inbox keeps it."""
        return json.dumps({"status": self.status, "body": self.body}, ensure_ascii=False)

    def response(self, *, replayed: bool = False) -> JSONResponse:
        """The answer as bytes: the same ones whenever it is given."""
        return JSONResponse(self.body, self.status, headers={REPLAYED: "true"} if replayed else None)


Act = Callable[[Claim | None, Reply | None], Awaitable[Recorded]]
Tell = Callable[[Recorded], Told]


@dataclass(frozen=True)
class Once:
    """One POST, and the claim its key lays on what it does; None without a key."""

    engine: Engine
    claim: Claim | None

    async def answer(self, act: Act, tell: Tell) -> JSONResponse:
        """Act and tell, or tell what was told before. Raises KeyReused, and what `act` raises: then nothing is kept."""
        if self.claim is None:
            return tell(await act(None, None)).response()
        earlier = await self._earlier(self.claim)
        if earlier is None:
            recorded = await act(self.claim, lambda recorded: tell(recorded).kept())
            if recorded.earlier is None:
                return tell(recorded).response()
            earlier = recorded.earlier
        return _again(earlier, self.claim)

    async def _earlier(self, claim: Claim) -> Earlier | None:
        """Looked up before acting: what was right the first time may be refused by now."""
        return await self.engine.database.read(lambda connection: seen(connection, claim))


def _again(earlier: Earlier, claim: Claim) -> JSONResponse:
    if earlier.fingerprint != claim.fingerprint or earlier.reply is None:
        raise KeyReused
    try:
        return Told.model_validate_json(earlier.reply).response(replayed=True)
    except ValidationError as error:
        raise WrongState(
            f"this was done before, in thread {earlier.thread_id}, and answered by a newer Handrail: look at the thread"
        ) from error


async def _once(
    request: Request,
    here: Here,
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
) -> Once:
    if idempotency_key is None:
        return Once(here.bot.engine, None)
    key = f"{request.method} {request.scope['path']} {idempotency_key}"
    fingerprint = sha256(await request.body()).hexdigest()
    return Once(here.bot.engine, Claim(channel=caller.channel, keys=(key,), fingerprint=fingerprint))


OnlyOnce = Annotated[Once, Depends(_once)]
