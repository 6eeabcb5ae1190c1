"""How a model call ended: one type for every way it can."""

from enum import StrEnum

from agents.budget import Usage
from agents.frozen import FrozenModel
from agents.steps import Step


class CompletionOutcome(StrEnum):
    """Every way a model call can end. One that is postponed was not made: others were told to come back later."""

    OK = "ok"
    INVALID = "invalid"
    TRUNCATED = "truncated"
    EMPTY = "empty"
    REFUSED = "refused"
    FILTERED = "filtered"
    FAILED = "failed"
    TIMEOUT = "timeout"
    RATE_LIMITED = "rate_limited"
    DEFERRED = "postponed"
    UNAVAILABLE = "unavailable"
    AUTH_FAILED = "denied"
    BAD_REQUEST = "rejected"

    @property
    def is_repairable(self) -> bool:
        """The model may be told what was wrong and try again, at most twice."""
        return self in (CompletionOutcome.INVALID, CompletionOutcome.TRUNCATED, CompletionOutcome.EMPTY)

    @property
    def is_retryable(self) -> bool:
        """The same call may work later."""
        return self in _RETRYABLE_OUTCOMES

    @property
    def counts_as_step(self) -> bool:
        """Whether the model answered, so that the call is one of the steps a thread may take."""
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
    """The end of a call. `step` is there exactly when the outcome is OK; `detail` is short and safe to show the model.

    `usage` is None when nothing was spent; `retry_after` is seconds, when the other side named a time. `advice` is what
    the operator can do about a denial. `written` is what the model wrote where its server refused it as no valid JSON.
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
