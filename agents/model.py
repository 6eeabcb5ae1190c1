"""The port to whoever chooses the next step."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from agents.agent import Agent
from agents.completion import Completion
from agents.prompt import Prompt
from agents.state import ThreadState

OnPartialReply = Callable[[str], None]
"""Told, while a model writes its reply, all of the reply so far. Returns at once, and raises nothing."""


@dataclass(frozen=True)
class ModelRequest:
    """All that a model may know: the folded thread, the agent it speaks for, and the prompt made from both."""

    state: ThreadState
    agent: Agent
    prompt: Prompt


class Model(Protocol):
    """Chooses the next step. Never raises for anything the other side may do: every end is a Completion.

    A model that can tells `words` its reply while it writes it, each time more of it. The reply that is chosen in the
    end begins with what was told; of other steps nothing is told. When the call fails, what was told is void.
    """

    async def complete(self, model_request: ModelRequest, on_partial: OnPartialReply | None = None) -> Completion: ...
