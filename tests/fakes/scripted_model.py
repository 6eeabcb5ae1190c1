"""A model in this process that chooses what a test wrote down, and fails the test when asked more or less often."""

from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import accumulate
from typing import Any

from agents.completion import Completion, CompletionOutcome
from agents.model import Model, ModelRequest, OnPartialReply
from agents.output_parser import step_from_dict
from agents.steps import DoneForNow, Step

ScriptedStep = Step | Mapping[str, Any] | Completion


class ScriptedModel:
    """Chooses the steps in order: a Step, a step as a model writes it (`{"intent": …}`), or a whole Completion."""

    def __init__(self, *steps: ScriptedStep, name: str = "scripted") -> None:
        self.received: list[ModelRequest] = []
        self._steps = deque(steps)
        self._name = name
        self._unexpected = 0

    async def complete(self, model_request: ModelRequest, on_partial: OnPartialReply | None = None) -> Completion:
        """The next step of the script, a reply told word by word. Raises AssertionError when there is none."""
        self.received.append(model_request)
        if not self._steps:
            self._unexpected += 1
            raise AssertionError(f"the model was not expected to be asked again: {model_request.prompt.user[-300:]}")
        completion = self._completion(self._steps.popleft(), model_request)
        if on_partial is not None and isinstance(completion.step, DoneForNow):
            _send_partials(completion.step.message, on_partial)
        return completion

    def check(self) -> None:
        """Raises AssertionError when the model was asked more or less often than written."""
        assert not self._unexpected, f"the model was asked {self._unexpected} times more than written"
        assert not self._steps, f"{len(self._steps)} steps were never asked for"

    def _completion(self, step: ScriptedStep, turn: ModelRequest) -> Completion:
        if isinstance(step, Completion):
            return step
        chosen = step_from_dict(step, turn.agent) if isinstance(step, Mapping) else step
        return Completion(outcome=CompletionOutcome.OK, model=self._name, step=chosen)


def _send_partials(message: str, on_partial: OnPartialReply) -> None:
    """Word by word."""
    for told in accumulate(message.split(" "), "{} {}".format):
        on_partial(told)


@contextmanager
def scripted_model(*steps: ScriptedStep) -> Iterator[ScriptedModel]:
    """A ScriptedModel that is checked at the end of the block."""
    model = ScriptedModel(*steps)
    yield model
    model.check()


_: type[Model] = ScriptedModel
