"""Tests of the registry of agents."""

import pytest

from agents.core.errors import UnknownAgent
from agents.deploy import AGENT
from agents.registry import load_registry

REGISTRY = load_registry()


def test_agents_are_found_by_name() -> None:
    assert REGISTRY.get_agent("deploy") is AGENT
    assert all(REGISTRY.get_agent(agent.name) is agent for agent in REGISTRY.agents)


def test_unknown_agent_error_lists_the_agents() -> None:
    with pytest.raises(UnknownAgent, match=r"no agent 'depoly'; known agents: .*deploy"):
        REGISTRY.get_agent("depoly")
