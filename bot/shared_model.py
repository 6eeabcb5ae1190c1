"""A model that many threads and processes use: so many calls at once, and none while its provider asks for a rest."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta

from agents.completion import Completion, Outcome
from agents.model import Model, Turn, Words
from bot.pauses import Pauses


@dataclass
class SharedModel:
    """Asks `model`, whose `name` is the same in every process that has to share its provider's limits.

    `at_once` calls go out at the same time from this process; the others wait in the order they came.
    """

    model: Model
    name: str
    pauses: Pauses
    at_once: int
    _slots: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self._slots = asyncio.Semaphore(self.at_once)

    async def complete(self, turn: Turn, words: Words | None = None) -> Completion:
        """Ask the model, unless there is a pause: then the thread is put to rest, and holds nothing in any process.

        Raises StoreUnavailable when nobody can tell whether there is a pause: no answer could be kept either.
        """
        async with self._slots:
            left = await self.pauses.left(self.name)
            if left:
                return self._postponed(left)
            completion = await self.model.complete(turn, words)
            await self._heed(completion)
        return completion

    def _postponed(self, left: timedelta) -> Completion:
        detail = "not asked: its provider limits how often we may"
        return Completion(outcome=Outcome.POSTPONED, model=self.name, detail=detail, retry_after=left.total_seconds())

    async def _heed(self, completion: Completion) -> None:
        if completion.outcome is Outcome.RATE_LIMITED and completion.retry_after:
            until = self.pauses.now() + timedelta(seconds=completion.retry_after)
            await self.pauses.heed(self.name, until)


_: type[Model] = SharedModel
