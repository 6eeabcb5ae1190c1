"""Model used when the machine's settings do not allow calls of the configured one."""

from dataclasses import dataclass

from agents.completion import Completion, CompletionOutcome
from agents.model import Model, ModelRequest, OnPartialReply


@dataclass(frozen=True)
class UnusableModel:
    """Fails each call with the reason why the model cannot be called, written for the operator."""

    name: str
    reason: str

    async def complete(self, model_request: ModelRequest, on_partial: OnPartialReply | None = None) -> Completion:  # noqa: ARG002 - the port's signature
        """Return the reason, as an outcome that is not retried."""
        return Completion(outcome=CompletionOutcome.BAD_REQUEST, model=self.name, detail=self.reason)


_: type[Model] = UnusableModel
