"""Registry of the agents. To add an agent, make a package with `AGENT` in its `__init__.py` and list it here."""

import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from agents.core.agent import Agent
from agents.core.config_issues import ConfigIssue
from agents.core.errors import ConfigurationError, UnknownAgent

AGENT_PACKAGES = ("agents.deploy",)


@dataclass(frozen=True)
class LoadedAgent:
    """Result of importing an agent's package. `agent` is None on failure; then `issues` has the reason and place."""

    file: str
    agent: Agent | None = None
    issues: tuple[ConfigIssue, ...] = ()


def load_agents(packages: Sequence[str]) -> tuple[LoadedAgent, ...]:
    """Import the packages of agents. A failure of one package does not affect the others."""
    return tuple(map(_load_agent, packages))


def _load_agent(package: str) -> LoadedAgent:
    file = _package_file(package)
    try:
        agent = getattr(import_module(package), "AGENT", None)
    except ConfigurationError as error:
        return LoadedAgent(file, issues=tuple(error.details or [ConfigIssue(file=file, message=str(error))]))
    except Exception as error:  # noqa: BLE001 - the code of an agent may raise anything
        return LoadedAgent(file, issues=(_import_issue(file, error),))
    if not isinstance(agent, Agent):
        return LoadedAgent(file, issues=(ConfigIssue(file=file, message="has no AGENT; write AGENT = Agent(...)"),))
    return LoadedAgent(file, agent)


def _package_file(package: str) -> str:
    try:
        spec = find_spec(package)
    except ImportError:
        spec = None
    return (spec and spec.origin) or package


def _import_issue(file: str, error: Exception) -> ConfigIssue:
    """Return the mistake at the line of the agent's own code, not the line in a library that it called."""
    if isinstance(error, SyntaxError) and error.filename:
        return ConfigIssue(file=error.filename, line=error.lineno, message=f"cannot be imported: {error.msg}")
    message = f"cannot be imported: {type(error).__name__}: {error}"
    frames = traceback.extract_tb(error.__traceback__) if Path(file).is_absolute() else []
    own_frames = [frame for frame in frames if Path(frame.filename).is_relative_to(Path(file).parent)]
    if not own_frames:
        return ConfigIssue(file=file, message=message)
    return ConfigIssue(file=own_frames[-1].filename, line=own_frames[-1].lineno, message=message)


LOADED_AGENTS = load_agents(AGENT_PACKAGES)
AGENTS: tuple[Agent, ...] = tuple(loaded.agent for loaded in LOADED_AGENTS if loaded.agent is not None)


def get_agent(name: str) -> Agent:
    """Return the agent with this name. Raises UnknownAgent with the names of all agents."""
    for agent in AGENTS:
        if agent.name == name:
            return agent
    raise UnknownAgent(f"There is no agent {name!r}; known agents: {', '.join(agent.name for agent in AGENTS)}.")
