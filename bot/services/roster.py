"""Roster: the agents of this process, with their policy, budgets and the environment variables of their tools.

Its people are those to whom the senders of channels are resolved.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from agents.core.agent import Agent
from agents.core.completion import Budget
from agents.core.errors import ConfigurationError, UnknownAgent
from agents.core.messages import Provenance
from agents.core.people import People, Person
from agents.core.policy import Policy
from agents.core.steps import ASK_AGENT_INTENT
from agents.core.values import Address, person_address
from channels.inbound import Sender


@dataclass(frozen=True)
class Roster:
    """Agents by name; the first is the default.

    Raises ConfigurationError if an agent delegates to itself or to an unknown one, or has a tool with the name of the
    built-in step for asking another agent.
    """

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
        """Return the named agent, or the default one for None. Raises UnknownAgent with the names of all agents."""
        if name is None:
            return next(iter(self.agents.values()))
        if name not in self.agents:
            raise UnknownAgent(f"there is no agent {name[:40]!r}; there are: {', '.join(self.agents)}")
        return self.agents[name]

    def delegates_of(self, agent: Agent) -> tuple[Agent, ...]:
        """Return the agents to which this one may delegate."""
        return tuple(self.agents[name] for name in agent.asks)

    def budget_for(self, agent: Agent) -> Budget:
        """Return the limits of the configuration, and the agent's own limits for those that it does not set."""
        configured = self.budgets.get(agent.name, Budget())
        return agent.budget.model_copy(update=configured.model_dump(exclude_none=True))

    def environment_for(self, agent: Agent) -> Mapping[str, str]:
        return self.environments.get(agent.name, {})

    def _check_agent(self, agent: Agent) -> None:
        if agent.name in agent.asks:
            raise ConfigurationError(f"agent {agent.name}: `asks` names the agent itself; take it out")
        if unknown := [name for name in agent.asks if name not in self.agents]:
            known = ", ".join(self.agents)
            raise ConfigurationError(f"agent {agent.name}: `asks` names {', '.join(unknown)}; there are: {known}")
        if agent.get_tool(ASK_AGENT_INTENT) is not None:
            raise ConfigurationError(
                f"agent {agent.name}: {ASK_AGENT_INTENT} is the name of the built-in step for asking another agent; "
                "give the tool another name"
            )


@dataclass(frozen=True)
class ResolvedSender:
    """A sender. `address` is that of the person, or else the one by which the channel knows the sender."""

    address: Address
    person: Person | None
    entered_by: Address | None = None

    @property
    def provenance(self) -> Provenance:
        return Provenance.UNVERIFIED if self.person is None else Provenance.VERIFIED_PERSON


def resolve_sender(sender: Sender, people: People) -> ResolvedSender:
    """Find the person of a sender by the identities that the channel has authenticated, in their order."""
    found = (person for address in sender.identities if (person := people.get(address)) is not None)
    if (person := next(found, None)) is not None:
        return ResolvedSender(person_address(person.key), person, sender.entered_by)
    return ResolvedSender(sender.identities[0], None, sender.entered_by)
