"""In-process model that chooses scripted steps and fails the test for more or fewer calls."""

from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import accumulate
from typing import Any

from agents.core.completion import Completion, CompletionOutcome
from agents.core.steps import DoneForNow, Step
from agents.llm.base import Model, ModelRequest, OnPartialReply
from agents.llm.output_parser import step_from_dict

ScriptedStep = Step | Mapping[str, Any] | Completion


class ScriptedModel:
    """Model that chooses the steps in order: a Step, a step's JSON (`{"intent": …}`), or a Completion."""

    def __init__(self, *steps: ScriptedStep, name: str = "scripted") -> None:
        self.received: list[ModelRequest] = []
        self._steps = deque(steps)
        self._name = name
        self._unexpected = 0

    async def complete(self, model_request: ModelRequest, on_partial: OnPartialReply | None = None) -> Completion:
        """Return the next step; a reply is streamed word by word. Raises AssertionError after the last step."""
        self.received.append(model_request)
        if not self._steps:
            self._unexpected += 1
            raise AssertionError(f"the model was not expected to be called again: {model_request.prompt.user[-300:]}")
        completion = self._completion(self._steps.popleft(), model_request)
        if on_partial is not None and isinstance(completion.step, DoneForNow):
            _send_partials(completion.step.message, on_partial)
        return completion

    def assert_called_as_scripted(self) -> None:
        """Raise AssertionError when there were more or fewer calls than steps."""
        assert not self._unexpected, f"the model was called {self._unexpected} times more than scripted"
        assert not self._steps, f"{len(self._steps)} steps were never used"

    def _completion(self, step: ScriptedStep, model_request: ModelRequest) -> Completion:
        if isinstance(step, Completion):
            return step
        chosen = step_from_dict(step, model_request.agent) if isinstance(step, Mapping) else step
        return Completion(outcome=CompletionOutcome.OK, model=self._name, step=chosen)


def _send_partials(message: str, on_partial: OnPartialReply) -> None:
    """Send the growing message word by word."""
    for partial in accumulate(message.split(" "), "{} {}".format):
        on_partial(partial)


@contextmanager
def scripted_model(*steps: ScriptedStep) -> Iterator[ScriptedModel]:
    """Yield a ScriptedModel that is checked at the end of the block."""
    model = ScriptedModel(*steps)
    yield model
    model.assert_called_as_scripted()


_: type[Model] = ScriptedModel
