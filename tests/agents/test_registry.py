"""The agents there are."""

import pytest

from agents.deploy import AGENT
from agents.errors import UnknownAgent
from agents.registry import AGENTS, agent_named


def test_agents_are_found_by_their_names() -> None:
    assert agent_named("deploy") is AGENT
    assert all(agent_named(agent.name) is agent for agent in AGENTS)


def test_every_agent_has_a_name_of_its_own() -> None:
    assert len({agent.name for agent in AGENTS}) == len(AGENTS)


def test_an_unknown_agent_is_refused_with_those_there_are() -> None:
    with pytest.raises(UnknownAgent, match=r"no agent 'depoly'; there are: .*deploy"):
        agent_named("depoly")


def test_every_agent_prefetches_only_tools_it_has() -> None:
    for agent in AGENTS:
        assert all(agent.tool(name) is not None for name in agent.prefetch)
