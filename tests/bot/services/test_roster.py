"""Tests of the roster: it refuses agents that cannot work together."""

import pytest

from agents.core.agent import Agent
from agents.core.errors import ConfigurationError, UnknownAgent
from agents.core.tools import ToolContext, ToolResult, tool
from bot.services.roster import Roster


@tool(effect="read")
def ask_agent(context: ToolContext, agent: str, message: str) -> ToolResult:
    """Return the arguments. The name of this tool is also that of the built-in step for asking another agent."""
    return ToolResult(summary=f"{context.key} {agent} {message}")


def make_agent(name: str, *delegates: str, **overrides: object) -> Agent:
    return Agent(**{"name": name, "purpose": "", "instructions": "", "tools": (), "asks": delegates, **overrides})


def build_roster(*agents: Agent) -> Roster:
    return Roster({agent.name: agent for agent in agents})


def test_agents_may_delegate_to_each_other() -> None:
    oncall, deploy = make_agent("oncall", "deploy"), make_agent("deploy", "oncall")
    assert build_roster(oncall, deploy).delegates_of(oncall) == (deploy,)


def test_refuses_agent_that_delegates_to_itself() -> None:
    with pytest.raises(ConfigurationError, match="agent oncall: `asks` names the agent itself"):
        build_roster(make_agent("oncall", "oncall"))


def test_refuses_delegation_to_unknown_agent() -> None:
    with pytest.raises(ConfigurationError, match="agent oncall: `asks` names depoly, scout; there are: oncall, deploy"):
        build_roster(make_agent("oncall", "depoly", "scout"), make_agent("deploy"))


def test_refuses_tool_named_like_the_delegation_step() -> None:
    with pytest.raises(ConfigurationError, match="agent oncall: ask_agent is the name of the built-in step"):
        build_roster(make_agent("oncall", tools=(ask_agent,)))


def test_unknown_agent_error_lists_known_agents() -> None:
    with pytest.raises(UnknownAgent, match="there is no agent 'depoly'; there are: oncall, deploy"):
        build_roster(make_agent("oncall"), make_agent("deploy")).get_agent("depoly")
