"""The agents there are: a new agent is a folder and one line here."""

from agents.agent import Agent
from agents.deploy import AGENT as DEPLOY
from agents.errors import UnknownAgent

AGENTS: tuple[Agent, ...] = (DEPLOY,)


def agent_named(name: str) -> Agent:
    """The agent with this name. Raises UnknownAgent, naming those there are."""
    for agent in AGENTS:
        if agent.name == name:
            return agent
    raise UnknownAgent(f"There is no agent {name!r}; there are: {', '.join(agent.name for agent in AGENTS)}.")
