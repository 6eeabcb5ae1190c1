"""A model in this process that chooses what a test wrote down, and fails the test when asked more or less often."""

from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import accumulate
from typing import Any

from agents.completion import Completion, Outcome
from agents.model import Model, Turn, Words
from agents.steps import DoneForNow, Step
from agents.wire import read_step

Scripted = Step | Mapping[str, Any] | Completion


class ScriptedModel:
    """Chooses the steps in order: a Step, a step as a model writes it (`{"intent": …}`), or a whole Completion."""

    def __init__(self, *steps: Scripted, name: str = "scripted") -> None:
        self.turns: list[Turn] = []
        self._steps = deque(steps)
        self._name = name
        self._unexpected = 0

    async def complete(self, turn: Turn, words: Words | None = None) -> Completion:
        """The next step of the script, a reply told word by word. Raises AssertionError when there is none."""
        self.turns.append(turn)
        if not self._steps:
            self._unexpected += 1
            raise AssertionError(f"the model was not expected to be asked again: {turn.prompt.user[-300:]}")
        completion = self._completion(self._steps.popleft(), turn)
        if words is not None and isinstance(completion.step, DoneForNow):
            _tell(completion.step.message, words)
        return completion

    def check(self) -> None:
        """Raises AssertionError when the model was asked more or less often than written."""
        assert not self._unexpected, f"the model was asked {self._unexpected} times more than written"
        assert not self._steps, f"{len(self._steps)} steps were never asked for"

    def _completion(self, step: Scripted, turn: Turn) -> Completion:
        if isinstance(step, Completion):
            return step
        chosen = read_step(step, turn.agent) if isinstance(step, Mapping) else step
        return Completion(outcome=Outcome.OK, model=self._name, step=chosen)


def _tell(message: str, words: Words) -> None:
    """Word by word."""
    for told in accumulate(message.split(" "), "{} {}".format):
        words(told)


@contextmanager
def scripted(*steps: Scripted) -> Iterator[ScriptedModel]:
    """A ScriptedModel that is checked at the end of the block."""
    model = ScriptedModel(*steps)
    yield model
    model.check()


_: type[Model] = ScriptedModel
