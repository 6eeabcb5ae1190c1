"""Result of a model call, and the usage and budget of a thread."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from agents.core.steps import Step
from agents.core.values import FrozenModel

BudgetKind = Literal["steps", "tokens", "usd", "wall_clock"]
BUDGET_KINDS: tuple[BudgetKind, ...] = ("steps", "tokens", "usd", "wall_clock")


class BudgetExtension(FrozenModel):
    """Arguments of `extend_budget`, the built-in action that asks people for more budget.

    `by` is the amount to add, in the unit of `kind`.
    """

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

    `steps` counts the answers of models, `tokens` those of input and output, `usd` US dollars. `wall_clock` is working
    time in seconds, without the time spent waiting.
    """

    steps: float | None = None
    tokens: float | None = None
    usd: float | None = None
    wall_clock: float | None = None

    def add(self, kind: BudgetKind, amount: float) -> "Budget":
        return self.model_copy(update={kind: (getattr(self, kind) or 0) + amount})


class CompletionOutcome(StrEnum):
    """All results of a model call.

    INVALID: the answer is no valid step. TRUNCATED: it exceeds a length limit. REFUSED: the model declined to answer.
    FILTERED: the provider's content filter stopped the answer. FAILED: the server had an error or broke off.
    DEFERRED: the call was not sent, because the server had asked for a delay. UNAVAILABLE: no connection.
    AUTH_FAILED: only the operator can help (wrong key, unknown model or URL, used-up quota). BAD_REQUEST: the server
    does not accept the request.
    """

    OK = "ok"
    INVALID = "invalid"
    TRUNCATED = "truncated"
    EMPTY = "empty"
    REFUSED = "refused"
    FILTERED = "filtered"
    FAILED = "failed"
    TIMEOUT = "timeout"
    RATE_LIMITED = "rate_limited"
    # The values are stored in logs, so they keep the words of the first version.
    DEFERRED = "postponed"
    UNAVAILABLE = "unavailable"
    AUTH_FAILED = "denied"
    BAD_REQUEST = "rejected"

    @property
    def is_repairable(self) -> bool:
        """Whether the model gets the error message and may correct its answer (see `next_step.MAX_REPAIRS`)."""
        return self in (CompletionOutcome.INVALID, CompletionOutcome.TRUNCATED, CompletionOutcome.EMPTY)

    @property
    def is_retryable(self) -> bool:
        """Whether the same call may succeed later."""
        return self in _RETRYABLE_OUTCOMES

    @property
    def counts_as_step(self) -> bool:
        """Whether the model answered, so that the call counts against the step budget."""
        return (
            self is CompletionOutcome.OK
            or self.is_repairable
            or self in (CompletionOutcome.REFUSED, CompletionOutcome.FILTERED)
        )


_RETRYABLE_OUTCOMES = frozenset(
    {
        CompletionOutcome.FAILED,
        CompletionOutcome.TIMEOUT,
        CompletionOutcome.RATE_LIMITED,
        CompletionOutcome.DEFERRED,
        CompletionOutcome.UNAVAILABLE,
    }
)


class Completion(FrozenModel):
    """Result of a model call with the chosen step, or with the reason for its failure.

    `step` is set exactly when the outcome is OK. `detail` is short and safe to show to the model. `usage` is None when
    nothing was spent. `retry_after` is in seconds, if the server gave a delay. `operator_hint` says how to correct
    the cause of AUTH_FAILED. `rejected_text` is the model's text when its server rejected it as invalid JSON.
    """

    outcome: CompletionOutcome
    model: str
    step: Step | None = None
    reasoning: str = ""
    detail: str = ""
    usage: Usage | None = None
    retry_after: float | None = None
    operator_hint: str = ""
    rejected_text: str = ""
