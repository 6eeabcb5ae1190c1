"""What model calls cost: prices are configuration, and each call's cost is written into its event."""

from collections.abc import Mapping
from dataclasses import dataclass

from agents.budget import Usage
from agents.completion import Completion
from agents.frozen import Frozen
from agents.model import Model, Turn, Words

_MILLION = 1_000_000


class Price(Frozen):
    """US dollars for a million tokens. Input from the provider's cache costs `cached`, or as much as other input."""

    input: float
    output: float
    cached: float | None = None

    def of(self, usage: Usage) -> float:
        """The cost of one call in US dollars."""
        cached = self.input if self.cached is None else self.cached
        fresh = usage.input - usage.cached
        return (fresh * self.input + usage.cached * cached + usage.output * self.output) / _MILLION


@dataclass(frozen=True)
class PricedModel:
    """A model whose calls are told with their cost, as far as the price of the model that answered is known."""

    model: Model
    prices: Mapping[str, Price]

    async def complete(self, turn: Turn, words: Words | None = None) -> Completion:
        completion = await self.model.complete(turn, words)
        price = self.prices.get(completion.model)
        if completion.usage is None or price is None:
            return completion
        usage = completion.usage.model_copy(update={"usd": price.of(completion.usage)})
        return completion.model_copy(update={"usage": usage})


_: type[Model] = PricedModel
