"""Budgets and usage of threads."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from agents.frozen import FrozenModel

BudgetKind = Literal["steps", "tokens", "usd", "wall_clock"]
BUDGET_KINDS: tuple[BudgetKind, ...] = ("steps", "tokens", "usd", "wall_clock")


class BudgetExtension(FrozenModel):
    """Arguments of `extend_budget`, the built-in action that asks people for more budget."""

    model_config = ConfigDict(strict=True)

    kind: BudgetKind
    by: Annotated[float, Field(gt=0)]


class Usage(FrozenModel):
    """Tokens and cost (US dollars) of one model call.

    `cached` is part of `input`. `estimated` marks a count that the server did not report.
    """

    input: int = 0
    cached: int = 0
    output: int = 0
    usd: float = 0.0
    estimated: bool = False


class Budget(FrozenModel):
    """Limits of a thread (None means no limit) or, as `spent`, its totals so far.

    `wall_clock` is working time in seconds, without the time spent waiting.
    """

    steps: float | None = None
    tokens: float | None = None
    usd: float | None = None
    wall_clock: float | None = None

    def add(self, kind: BudgetKind, amount: float) -> "Budget":
        return self.model_copy(update={kind: (getattr(self, kind) or 0) + amount})
