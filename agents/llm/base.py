"""The interface of models, which choose the next step."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from agents.core.agent import Agent
from agents.core.completion import Completion
from agents.core.state import ThreadState
from agents.llm.prompt import Prompt

OnPartialReply = Callable[[str], None]
"""Callback with the whole reply so far, called while a model writes it. It must return at once and not raise."""


@dataclass(frozen=True)
class ModelRequest:
    """Input of a model call: the state of the thread, the active agent, and the prompt built from both."""

    state: ThreadState
    agent: Agent
    prompt: Prompt


class Model(Protocol):
    """Chooses the next step. Failures of the model server do not raise; each result is a Completion.

    A model that supports streaming calls `on_partial` with growing beginnings of its reply, never with parts of other
    steps. The final reply starts with the last of them. When the call fails, they are void.
    """

    async def complete(self, model_request: ModelRequest, on_partial: OnPartialReply | None = None) -> Completion: ...
