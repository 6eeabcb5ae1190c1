"""The model where the machine keeps the configured one from being called."""

from dataclasses import dataclass

from agents.completion import Completion, Outcome
from agents.model import Model, Turn, Words


@dataclass(frozen=True)
class UnusableModel:
    """Answers every call with the reason why none can be made, which is written for the operator."""

    name: str
    reason: str

    async def complete(self, turn: Turn, words: Words | None = None) -> Completion:  # noqa: ARG002 - the port has them
        """Return the reason; no other try would end in another way."""
        return Completion(outcome=Outcome.REJECTED, model=self.name, detail=self.reason)


_: type[Model] = UnusableModel
