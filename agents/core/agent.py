"""The agent type. An agent is a folder with its own tools, prompt, commands and limits."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path

from agents.core.commands import Commands
from agents.core.completion import Budget
from agents.core.tools import Tool

SetUp = Callable[[Path, Mapping[str, str]], Mapping[str, str]]


def _empty_environment(_folder: Path, _environment: Mapping[str, str]) -> Mapping[str, str]:
    return {}


@dataclass(frozen=True)
class Agent:
    """Definition of one agent.

    `prefetch` names read-only tools without arguments that run before the first model call. `asks` names the
    other agents that this agent may ask. `set_up` is called once per process with Handrail's data folder and the
    environment; it creates the resources that the tools need and returns the settings for their ToolContext.
    """

    name: str
    purpose: str
    instructions: str
    tools: tuple[Tool, ...]
    commands: Commands = field(default_factory=Commands)
    prefetch: tuple[str, ...] = ()
    asks: tuple[str, ...] = ()
    budget: Budget = field(default_factory=Budget)
    set_up: SetUp = _empty_environment

    def get_tool(self, name: str) -> Tool | None:
        return next((t for t in self.tools if t.name == name), None)

    @cached_property
    def prompt_hash(self) -> str:
        """Hash of the instructions, recorded with every step."""
        return sha256(self.instructions.encode()).hexdigest()[:12]
