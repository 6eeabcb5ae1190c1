"""Registry of the agents of a process. To add a built-in agent, make a package with `AGENT` and list it here."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint

from pydantic import BaseModel

from agents.core.agent import Agent
from agents.core.completion import BudgetExtension
from agents.core.config_issues import ConfigIssue
from agents.core.errors import UnknownAgent
from agents.core.tools import Tool
from agents.loading.checks import check_agent, check_types
from agents.loading.sources import LoadedAgent, load_entry, load_entry_point, load_package

BUILT_IN_PACKAGES = ("agents.deploy",)
ENTRY_POINT_GROUP = "handrail.agents"


@dataclass(frozen=True)
class AgentRegistry:
    """Agents that can be used, the first of which is the default, and those left out because of their mistakes."""

    loaded: tuple[LoadedAgent, ...]
    left_out: tuple[LoadedAgent, ...] = ()

    @property
    def agents(self) -> tuple[Agent, ...]:
        return tuple(one.agent for one in self.loaded if one.agent is not None)

    @property
    def tools(self) -> tuple[Tool, ...]:
        return tuple(tool for agent in self.agents for tool in agent.tools)

    @property
    def names(self) -> frozenset[str]:
        return frozenset(agent.name for agent in self.agents)

    @property
    def built_in_issues(self) -> tuple[ConfigIssue, ...]:
        """The mistakes in built-in agents, which prevent a start."""
        return tuple(issue for one in self.left_out if one.is_built_in for issue in one.issues)

    @property
    def other_issues(self) -> tuple[ConfigIssue, ...]:
        """The mistakes in agents from outside, which are left out."""
        return tuple(issue for one in self.left_out if not one.is_built_in for issue in one.issues)

    @property
    def declared_names(self) -> frozenset[str]:
        """The names of all agents that handrail.toml may refer to: also those left out, if their name is known."""
        return self.names | {one.name for one in self.left_out if one.name is not None}

    @property
    def argument_models(self) -> Mapping[str, type[BaseModel]]:
        """Argument models of all tools that rules may name; `extend_budget` is requested by the engine itself.

        Tools of agents that were left out are included, so that a rule for one of them does not prevent a start.
        """
        agents = [one.agent for one in (*self.left_out, *self.loaded) if one.agent is not None]
        models = {tool.name: tool.arguments for agent in agents for tool in agent.tools}
        return {**models, "extend_budget": BudgetExtension}

    @property
    def is_complete(self) -> bool:
        """Whether the names of all agents and tools are known, because each agent could be imported."""
        return all(one.agent is not None for one in self.left_out)

    def get_agent(self, name: str) -> Agent:
        """Return the agent with this name. Raises UnknownAgent with the names of all agents, or with its mistakes."""
        for agent in self.agents:
            if agent.name == name:
                return agent
        if mistakes := [str(issue) for one in self.left_out if one.name == name for issue in one.issues]:
            raise UnknownAgent(f"The agent {name!r} has mistakes:\n" + "\n".join(mistakes))
        known = ", ".join(agent.name for agent in self.agents)
        raise UnknownAgent(f"There is no agent {name!r}; known agents: {known}.")

    def leave_out(self, agent: Agent, issue: ConfigIssue) -> "AgentRegistry":
        """Return a registry without this agent and those that may delegate to it (`asks`)."""
        marked = [replace(one, issues=(issue,)) if one.agent is agent else one for one in self.loaded]
        return select_agents([*marked, *self.left_out])


def load_registry(entries: Sequence[str] = (), entry_points: Iterable[EntryPoint] = ()) -> AgentRegistry:
    """Import the built-in agents, those of `entries` (folders with agents, or packages) and those of entry points."""
    loaded = [one for package in BUILT_IN_PACKAGES for one in load_package(package)]
    loaded += [one for entry in entries for one in load_entry(entry)]
    loaded += [one for entry_point in entry_points for one in load_entry_point(entry_point)]
    return select_agents(_drop_repeated(loaded))


def _drop_repeated(loaded: Sequence[LoadedAgent]) -> list[LoadedAgent]:
    """Keep the first of the entries that lead to the same agent, such as a package and its entry point."""
    distinct: list[LoadedAgent] = []
    for one in loaded:
        if one.agent is None or all(one.agent is not other.agent for other in distinct):
            distinct.append(one)
    return distinct


def select_agents(loaded: Sequence[LoadedAgent]) -> AgentRegistry:
    """Check all agents and leave out those with mistakes, then those whose `asks` name one that was left out."""
    typed = [_check_types(one) for one in loaded]
    usable, left_out = _partition(typed)
    while usable:
        usable, rejected = _partition(_check_together(usable, left_out))
        if not rejected:
            break
        left_out += rejected
    return AgentRegistry(tuple(usable), tuple(left_out))


def _check_types(loaded: LoadedAgent) -> LoadedAgent:
    issues = tuple(check_types(loaded.file, loaded.agent)) if loaded.agent is not None else ()
    if loaded.agent is None or not issues:
        return loaded
    return replace(loaded, agent=None, issues=issues, name_hint=str(loaded.agent.name))


def _check_together(usable: Sequence[LoadedAgent], left_out: Sequence[LoadedAgent]) -> list[LoadedAgent]:
    agents = [one.agent for one in usable if one.agent is not None]
    names = [agent.name for agent in agents]
    left_out_names = {one.name for one in left_out if one.name is not None}
    return [
        replace(one, issues=tuple(check_agent(one.file, agent, agents[:position], names, left_out_names)))
        for position, (one, agent) in enumerate(zip(usable, agents, strict=True))
    ]


def _partition(loaded: Sequence[LoadedAgent]) -> tuple[list[LoadedAgent], list[LoadedAgent]]:
    return [one for one in loaded if not one.issues], [one for one in loaded if one.issues]
