"""A model with bounded concurrency that is not called while its provider's rate limit is in effect."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta

from agents.completion import Completion, CompletionOutcome
from agents.model import Model, ModelRequest, OnPartialReply
from bot.rate_limit_gate import RateLimitGate


@dataclass
class RateLimitedModel:
    """Calls `model`. Processes that share its provider's limits must use the same `name`.

    At most `max_concurrency` calls of this process run at the same time; others wait in order of arrival.
    """

    model: Model
    name: str
    gate: RateLimitGate
    max_concurrency: int
    _slots: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self._slots = asyncio.Semaphore(self.max_concurrency)

    async def complete(self, model_request: ModelRequest, on_partial: OnPartialReply | None = None) -> Completion:
        """Call the model, or return DEFERRED while a rate limit is in effect, so that the thread waits without a slot.

        Raises StoreUnavailable when the limit cannot be read; the answer could not be stored either.
        """
        async with self._slots:
            remaining = await self.gate.remaining(self.name)
            if remaining:
                return self._deferred_completion(remaining)
            completion = await self.model.complete(model_request, on_partial)
            await self._record_rate_limit(completion)
        return completion

    def _deferred_completion(self, remaining: timedelta) -> Completion:
        detail = "not called: the provider's rate limit is in effect"
        return Completion(
            outcome=CompletionOutcome.DEFERRED, model=self.name, detail=detail, retry_after=remaining.total_seconds()
        )

    async def _record_rate_limit(self, completion: Completion) -> None:
        if completion.outcome is CompletionOutcome.RATE_LIMITED and completion.retry_after:
            until = self.gate.now() + timedelta(seconds=completion.retry_after)
            await self.gate.block_until(self.name, until)


_: type[Model] = RateLimitedModel
