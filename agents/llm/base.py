"""The interface of models, which choose the next step, and the cost of their calls by configured prices."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from agents.core.agent import Agent
from agents.core.completion import Completion, Usage
from agents.core.state import ThreadState
from agents.core.values import FrozenModel
from agents.llm.prompt import Prompt

OnPartialReply = Callable[[str], None]
"""Callback with the whole reply so far, called while a model writes it. It must return at once and not raise."""


@dataclass(frozen=True)
class ModelRequest:
    """Input of a model call: the state of the thread, the active agent, and the prompt built from both."""

    state: ThreadState
    agent: Agent
    prompt: Prompt


class Model(Protocol):
    """Source of the next step. Failures of the model server do not raise; each result is a Completion.

    A model that supports streaming calls `on_partial` with growing beginnings of its reply, never with parts of other
    steps. The final reply starts with the last of them. When the call fails, they are void.
    """

    async def complete(self, model_request: ModelRequest, on_partial: OnPartialReply | None = None) -> Completion: ...


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
