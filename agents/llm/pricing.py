"""Cost of model calls, by configured prices. Each call's cost is recorded in its event."""

from collections.abc import Mapping
from dataclasses import dataclass

from agents.core.completion import Completion, Usage
from agents.core.values import FrozenModel
from agents.llm.base import Model, ModelRequest, OnPartialReply

_TOKENS_PER_PRICE_UNIT = 1_000_000


class Price(FrozenModel):
    """Price in US dollars per million tokens. Cached input costs `cached`, or `input` when that is None."""

    input: float
    output: float
    cached: float | None = None

    def cost_of(self, usage: Usage) -> float:
        """Return the cost of one call in US dollars."""
        cached = self.input if self.cached is None else self.cached
        uncached = usage.input - usage.cached
        return (uncached * self.input + usage.cached * cached + usage.output * self.output) / _TOKENS_PER_PRICE_UNIT


@dataclass(frozen=True)
class PricedModel:
    """Model that adds the cost to the usage of each call, if the price of the answering model is configured."""

    model: Model
    prices: Mapping[str, Price]

    async def complete(self, model_request: ModelRequest, on_partial: OnPartialReply | None = None) -> Completion:
        completion = await self.model.complete(model_request, on_partial)
        price = self.prices.get(completion.model)
        if completion.usage is None or price is None:
            return completion
        usage = completion.usage.model_copy(update={"usd": price.cost_of(completion.usage)})
        return completion.model_copy(update={"usage": usage})


_: type[Model] = PricedModel  # mypy checks that the class implements the protocol
