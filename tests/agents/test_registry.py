"""Tests of the registry of agents."""

import pytest

from agents.core.errors import UnknownAgent
from agents.deploy import AGENT
from agents.registry import AGENTS, get_agent


def test_agents_are_found_by_name() -> None:
    assert get_agent("deploy") is AGENT
    assert all(get_agent(agent.name) is agent for agent in AGENTS)


def test_agent_names_are_unique() -> None:
    assert len({agent.name for agent in AGENTS}) == len(AGENTS)


def test_unknown_agent_error_lists_the_agents() -> None:
    with pytest.raises(UnknownAgent, match=r"no agent 'depoly'; known agents: .*deploy"):
        get_agent("depoly")


def test_agents_prefetch_only_their_own_tools() -> None:
    for agent in AGENTS:
        assert all(agent.get_tool(name) is not None for name in agent.prefetch)
