"""What a thread may spend, and what it has spent."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from agents.frozen import FrozenModel

BudgetKind = Literal["steps", "tokens", "usd", "wall_clock"]
BUDGET_KINDS: tuple[BudgetKind, ...] = ("steps", "tokens", "usd", "wall_clock")


class BudgetExtension(FrozenModel):
    """The arguments of `extend_budget`, with which the engine asks for more."""

    model_config = ConfigDict(strict=True)

    kind: BudgetKind
    by: Annotated[float, Field(gt=0)]


class Usage(FrozenModel):
    """What one model call cost. `cached` is part of `input`; `estimated` marks a count the server did not give."""

    input: int = 0
    cached: int = 0
    output: int = 0
    usd: float = 0.0
    estimated: bool = False


class Budget(FrozenModel):
    """Limits, None for no limit; or, as `spent`, the sums so far. `wall_clock` is seconds of work, waiting left out."""

    steps: float | None = None
    tokens: float | None = None
    usd: float | None = None
    wall_clock: float | None = None

    def add(self, kind: BudgetKind, amount: float) -> "Budget":
        return self.model_copy(update={kind: (getattr(self, kind) or 0) + amount})
