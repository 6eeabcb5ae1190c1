"""The agents there are."""

import pytest

from agents.deploy import AGENT
from agents.errors import UnknownAgent
from agents.registry import AGENTS, get_agent


def test_agents_are_found_by_their_names() -> None:
    assert get_agent("deploy") is AGENT
    assert all(get_agent(agent.name) is agent for agent in AGENTS)


def test_every_agent_has_a_name_of_its_own() -> None:
    assert len({agent.name for agent in AGENTS}) == len(AGENTS)


def test_an_unknown_agent_is_refused_with_those_there_are() -> None:
    with pytest.raises(UnknownAgent, match=r"no agent 'depoly'; known agents: .*deploy"):
        get_agent("depoly")


def test_every_agent_prefetches_only_tools_it_has() -> None:
    for agent in AGENTS:
        assert all(agent.get_tool(name) is not None for name in agent.prefetch)
