"""The agents of this process, with the settings their tools were given and the policy they live under."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from agents.agent import Agent
from agents.budget import Budget
from agents.errors import ConfigurationError, UnknownAgent
from agents.output_schema import ASK_AGENT_INTENT
from agents.people import People
from agents.policy import Policy


@dataclass(frozen=True)
class Roster:
    """Who works here. The first agent is the default. Raises Misconfigured when one asks itself, or nobody there is."""

    agents: Mapping[str, Agent]
    policy: Policy = field(default_factory=Policy)
    environments: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    budgets: Mapping[str, Budget] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for agent in self.agents.values():
            self._check_agent(agent)

    @property
    def people(self) -> People:
        return self.policy.people

    def get_agent(self, name: str | None) -> Agent:
        """The named agent, or the default one. Raises UnknownAgent, naming those there are."""
        if name is None:
            return next(iter(self.agents.values()))
        if name not in self.agents:
            raise UnknownAgent(f"there is no agent {name[:40]!r}; there are: {', '.join(self.agents)}")
        return self.agents[name]

    def delegates_of(self, agent: Agent) -> tuple[Agent, ...]:
        """The agents this one may ask."""
        return tuple(self.agents[name] for name in agent.delegates)

    def budget_for(self, agent: Agent) -> Budget:
        """The agent's own limits with the configuration's laid over them."""
        configured = self.budgets.get(agent.name, Budget())
        return agent.budget.model_copy(update=configured.model_dump(exclude_none=True))

    def environment_for(self, agent: Agent) -> Mapping[str, str]:
        return self.environments.get(agent.name, {})

    def _check_agent(self, agent: Agent) -> None:
        if agent.name in agent.delegates:
            raise ConfigurationError(f"agent {agent.name}: `delegates` names the agent itself; take it out")
        if unknown := [name for name in agent.delegates if name not in self.agents]:
            known = ", ".join(self.agents)
            raise ConfigurationError(f"agent {agent.name}: `delegates` names {', '.join(unknown)}; there are: {known}")
        if agent.get_tool(ASK_AGENT_INTENT) is not None:
            raise ConfigurationError(
                f"agent {agent.name}: {ASK_AGENT_INTENT} is the name of a step; call the tool something else"
            )
