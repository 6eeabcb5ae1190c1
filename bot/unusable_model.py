"""The model where the machine keeps the configured one from being called."""

from dataclasses import dataclass

from agents.completion import Completion, CompletionOutcome
from agents.model import Model, ModelRequest, OnPartialReply


@dataclass(frozen=True)
class UnusableModel:
    """Answers every call with the reason why none can be made, which is written for the operator."""

    name: str
    reason: str

    async def complete(self, model_request: ModelRequest, on_partial: OnPartialReply | None = None) -> Completion:  # noqa: ARG002 - the port has them
        """Return the reason; no other try would end in another way."""
        return Completion(outcome=CompletionOutcome.BAD_REQUEST, model=self.name, detail=self.reason)


_: type[Model] = UnusableModel
