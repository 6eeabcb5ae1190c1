"""The roster holds agents that can work together, or says at the start why they cannot."""

import pytest

from agents.agent import Agent
from agents.errors import ConfigurationError, UnknownAgent
from agents.tools import ToolContext, ToolResult, tool
from bot.roster import Roster


@tool(effect="read")
def ask_agent(context: ToolContext, agent: str, message: str) -> ToolResult:
    """Take the name of a step."""
    return ToolResult(summary=f"{context.key} {agent} {message}")


def made(name: str, *asks: str, **changed: object) -> Agent:
    return Agent(**{"name": name, "purpose": "", "instructions": "", "tools": (), "asks": asks, **changed})


def roster(*agents: Agent) -> Roster:
    return Roster({agent.name: agent for agent in agents})


def test_agents_may_ask_each_other() -> None:
    oncall, deploy = made("oncall", "deploy"), made("deploy", "oncall")
    assert roster(oncall, deploy).delegates_of(oncall) == (deploy,)


def test_an_agent_that_asks_itself_cannot_work_here() -> None:
    with pytest.raises(ConfigurationError, match="agent oncall: `asks` names the agent itself"):
        roster(made("oncall", "oncall"))


def test_an_agent_that_asks_somebody_who_is_not_there_cannot_work_here() -> None:
    with pytest.raises(ConfigurationError, match="agent oncall: `asks` names depoly, scout; there are: oncall, deploy"):
        roster(made("oncall", "depoly", "scout"), made("deploy"))


def test_a_tool_called_like_the_step_cannot_work_here() -> None:
    with pytest.raises(ConfigurationError, match="agent oncall: ask_agent is the name of a step"):
        roster(made("oncall", tools=(ask_agent,)))


def test_an_unknown_agent_is_refused_with_those_there_are() -> None:
    with pytest.raises(UnknownAgent, match="there is no agent 'depoly'; there are: oncall, deploy"):
        roster(made("oncall"), made("deploy")).get_agent("depoly")
