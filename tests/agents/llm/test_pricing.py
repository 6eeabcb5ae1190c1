"""Tests of the cost of model calls: tokens times prices."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.core.completion import Completion, CompletionOutcome, Usage
from agents.llm.base import Price, PricedModel

PRICE = Price(input=2.0, cached=0.5, output=8.0)
USAGE = Usage(input=1_000_000, cached=400_000, output=100_000)


class FixedModel:
    def __init__(self, usage: Usage | None) -> None:
        self.usage = usage

    async def complete(self, model_request, on_partial=None):
        if on_partial:
            on_partial("Hi")
        return Completion(outcome=CompletionOutcome.INVALID, model="m", usage=self.usage)


def test_cached_input_has_its_own_price() -> None:
    assert PRICE.cost_of(USAGE) == pytest.approx(0.6 * 2 + 0.4 * 0.5 + 0.1 * 8)
    assert Price(input=2.0, output=8.0).cost_of(USAGE) == pytest.approx(1.0 * 2 + 0.1 * 8)


@given(st.integers(0, 10**9), st.floats(0, 1), st.integers(0, 10**9))
def test_cost_is_never_negative(input_tokens: int, cached_share: float, output_tokens: int) -> None:
    assert PRICE.cost_of(Usage(input=input_tokens, cached=int(input_tokens * cached_share), output=output_tokens)) >= 0


async def test_failed_call_has_its_cost() -> None:
    completion = await PricedModel(FixedModel(USAGE), {"m": PRICE}).complete(None)
    assert completion.usage is not None
    assert completion.usage.usd == pytest.approx(2.2)


@pytest.mark.parametrize(("usage", "prices"), [(USAGE, {"other": PRICE}), (None, {"m": PRICE})])
async def test_call_without_price_or_usage_is_unchanged(usage, prices) -> None:
    assert (await PricedModel(FixedModel(usage), prices).complete(None)).usage == usage


async def test_partial_replies_come_from_the_priced_model() -> None:
    partials: list[str] = []
    await PricedModel(FixedModel(USAGE), {"m": PRICE}).complete(None, partials.append)
    assert partials == ["Hi"]
