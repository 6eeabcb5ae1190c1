"""A model that many threads and processes use: so many calls at once, and none while its provider asks for a rest."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta

from agents.completion import Completion, CompletionOutcome
from agents.model import Model, ModelRequest, OnPartialReply
from bot.rate_limit_gate import RateLimitGate


@dataclass
class RateLimitedModel:
    """Asks `model`, whose `name` is the same in every process that has to share its provider's limits.

    `at_once` calls go out at the same time from this process; the others wait in the order they came.
    """

    model: Model
    name: str
    gate: RateLimitGate
    max_concurrency: int
    _slots: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self._slots = asyncio.Semaphore(self.max_concurrency)

    async def complete(self, model_request: ModelRequest, on_partial: OnPartialReply | None = None) -> Completion:
        """Ask the model, unless there is a pause: then the thread is put to rest, and holds nothing in any process.

        Raises StoreUnavailable when nobody can tell whether there is a pause: no answer could be kept either.
        """
        async with self._slots:
            left = await self.gate.remaining(self.name)
            if left:
                return self._deferred_completion(left)
            completion = await self.model.complete(model_request, on_partial)
            await self._record_rate_limit(completion)
        return completion

    def _deferred_completion(self, remaining: timedelta) -> Completion:
        detail = "not asked: its provider limits how often we may"
        return Completion(
            outcome=CompletionOutcome.DEFERRED, model=self.name, detail=detail, retry_after=remaining.total_seconds()
        )

    async def _record_rate_limit(self, completion: Completion) -> None:
        if completion.outcome is CompletionOutcome.RATE_LIMITED and completion.retry_after:
            until = self.gate.now() + timedelta(seconds=completion.retry_after)
            await self.gate.block_until(self.name, until)


_: type[Model] = RateLimitedModel
