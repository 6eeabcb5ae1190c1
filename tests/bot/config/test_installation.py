"""Tests of agents and configuration together: what a broken agent prevents, and what it does not."""

from pathlib import Path

import pytest

from agents.core.errors import ConfigurationError
from agents.registry import load_registry
from bot.config.installation import Installation, build_roster, load_installation
from bot.config.settings import Settings

AGENT = """
from agents.core.agent import Agent

def set_up(data_folder, environment):
    raise RuntimeError("s3cret")

AGENT = Agent(name="{name}", purpose="", instructions="", tools=(), {more})
"""
PEOPLE = '[people.al]\nname = "Al"\nroles = ["release"]\n[people.bo]\nname = "Bo"\nroles = ["release"]\n'
RULE = '[[policy]]\ntool = "{tool}"\nwhen = {{ shift = "late" }}\ndeny = "no"\n'


@pytest.fixture
def team_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Change to an empty folder, and return the folder of agents in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "team").mkdir()
    return tmp_path / "team"


def write_agent(folder: Path, name: str, source: str) -> None:
    (folder / name).mkdir()
    (folder / name / "__init__.py").write_text(source)


def load(handrail_toml: str) -> Installation:
    Path("handrail.toml").write_text(PEOPLE + handrail_toml)
    return load_installation(Settings.from_variables({"HANDRAIL_AGENTS": "./team"}))


def test_agent_whose_set_up_fails_is_left_out_with_those_that_ask_it(team_folder: Path) -> None:
    write_agent(team_folder, "failing", AGENT.format(name="failing", more="set_up=set_up"))
    write_agent(team_folder, "asking", AGENT.format(name="asking", more='asks=("failing",)'))
    write_agent(team_folder, "working", AGENT.format(name="working", more='asks=("deploy",)'))
    roster = build_roster(Settings.from_variables({}), load(""), may_use_sample_repository=False)
    assert list(roster.agents) == ["deploy", "working"]


def test_rules_for_tools_of_a_broken_agent_are_only_warnings(team_folder: Path) -> None:
    write_agent(team_folder, "broken", "AGENT = 1 / 0")
    installation = load(RULE.format(tool="page_person") + "[agents.broken.budget]\nsteps = 1\n")
    assert [rule.tool for rule in installation.configuration.rules] == ["page_person"]
    messages = [str(warning) for warning in installation.configuration.warnings]
    assert "there is no tool page_person; an agent that could not be imported may have it" in messages[-1]
    with pytest.raises(ConfigurationError) as error_info:
        load(RULE.format(tool="roll_bak"))
    rule, agent = str(error_info.value).splitlines()
    assert 'there is no tool "roll_bak"; did you mean "roll_back"?' in rule
    assert "broken/__init__.py:1: cannot be imported" in agent


def test_rule_for_an_unknown_tool_is_an_error_when_no_agent_is_broken(team_folder: Path) -> None:
    write_agent(team_folder, "working", AGENT.format(name="working", more=""))
    with pytest.raises(ConfigurationError, match='there is no tool "page_person"'):
        load(RULE.format(tool="page_person"))
    assert load_registry(["./team"]).is_complete
