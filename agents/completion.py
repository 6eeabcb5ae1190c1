"""How a model call ended: one type for every way it can."""

from enum import StrEnum

from agents.budget import Usage
from agents.frozen import Frozen
from agents.steps import Step


class Outcome(StrEnum):
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
    POSTPONED = "postponed"
    UNAVAILABLE = "unavailable"
    DENIED = "denied"
    REJECTED = "rejected"

    @property
    def repairable(self) -> bool:
        """The model may be told what was wrong and try again, at most twice."""
        return self in (Outcome.INVALID, Outcome.TRUNCATED, Outcome.EMPTY)

    @property
    def retryable(self) -> bool:
        """The same call may work later."""
        return self in _WORTH_ANOTHER_TRY

    @property
    def counts_as_step(self) -> bool:
        """Whether the model answered, so that the call is one of the steps a thread may take."""
        return self is Outcome.OK or self.repairable or self in (Outcome.REFUSED, Outcome.FILTERED)


_WORTH_ANOTHER_TRY = frozenset(
    {Outcome.FAILED, Outcome.TIMEOUT, Outcome.RATE_LIMITED, Outcome.POSTPONED, Outcome.UNAVAILABLE}
)


class Completion(Frozen):
    """The end of a call. `step` is there exactly when the outcome is OK; `detail` is short and safe to show the model.

    `usage` is None when nothing was spent; `retry_after` is seconds, when the other side named a time. `advice` is what
    the operator can do about a denial. `written` is what the model wrote where its server refused it as no valid JSON.
    """

    outcome: Outcome
    model: str
    step: Step | None = None
    reasoning: str = ""
    detail: str = ""
    usage: Usage | None = None
    retry_after: float | None = None
    advice: str = ""
    written: str = ""
