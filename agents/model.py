"""The port to whoever chooses the next step."""

from dataclasses import dataclass
from typing import Protocol

from agents.agent import Agent
from agents.completion import Completion
from agents.prompt import Prompt
from agents.state import ThreadState


@dataclass(frozen=True)
class Turn:
    """All that a model may know: the folded thread, the agent it speaks for, and the prompt made from both."""

    state: ThreadState
    agent: Agent
    prompt: Prompt


class Model(Protocol):
    """Chooses the next step. Never raises for anything the other side may do: every end is a Completion."""

    async def complete(self, turn: Turn) -> Completion: ...
