"""The agents of this process, with the settings their tools were given and the policy they live under."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from agents.agent import Agent
from agents.budget import Budget
from agents.errors import UnknownAgent
from agents.people import People
from agents.policy import Policy


@dataclass(frozen=True)
class Roster:
    """Who works here. The first agent is the default."""

    agents: Mapping[str, Agent]
    policy: Policy = field(default_factory=Policy)
    environments: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    budgets: Mapping[str, Budget] = field(default_factory=dict)

    @property
    def people(self) -> People:
        return self.policy.people

    def agent(self, name: str | None) -> Agent:
        """The named agent, or the default one. Raises UnknownAgent, naming those there are."""
        if name is None:
            return next(iter(self.agents.values()))
        if name not in self.agents:
            raise UnknownAgent(f"there is no agent {name[:40]!r}; there are: {', '.join(self.agents)}")
        return self.agents[name]

    def budget(self, agent: Agent) -> Budget:
        """The agent's own limits with the configuration's laid over them."""
        configured = self.budgets.get(agent.name, Budget())
        return agent.budget.model_copy(update=configured.model_dump(exclude_none=True))

    def environment(self, agent: Agent) -> Mapping[str, str]:
        return self.environments.get(agent.name, {})
