"""The house: the agents of the registry, the people and rules of the configuration, and what they need to work."""

from collections.abc import Mapping
from pathlib import Path

from agents.budget import BudgetExtension
from agents.checks import check_agents
from agents.errors import Misconfigured
from agents.mistakes import misconfigured
from agents.policy import Policy
from agents.registry import AGENTS, LOADED
from bot.config import Configuration, configuration_path, load_configuration
from bot.config_file.conditions import Signatures
from bot.roster import Roster
from bot.settings import FOLDER, Settings
from bot.warnings import find_warnings

AGENT_NAMES = frozenset(agent.name for agent in AGENTS)
SIGNATURES: Signatures = {
    **{tool.name: tool.arguments for agent in AGENTS for tool in agent.tools},
    "extend_budget": BudgetExtension,
}
"""The tools the configuration may speak of; the engine itself asks for `extend_budget`."""

_NO_SAMPLE = FOLDER / "no-sample"
"""A repository that is not there: the tools then say how to name one."""


def load_house(settings: Settings) -> Configuration:
    """The people and rules that hold here, with what to warn of.

    Raises Misconfigured with every mistake of the file, and of the agents.
    """
    mistakes = check_agents(LOADED)
    try:
        configuration = load_configuration(
            configuration_path(settings.handrail_config), tools=SIGNATURES, agents=AGENT_NAMES
        )
    except Misconfigured as error:
        raise misconfigured([*mistakes, *error.details]) from None
    if mistakes:
        raise misconfigured(mistakes)
    return configuration.model_copy(update={"warnings": find_warnings(configuration, settings, SIGNATURES)})


def set_up(settings: Settings, configuration: Configuration, *, sample: bool = True, folder: Path = FOLDER) -> Roster:
    """Give every agent what its tools need. Raises Misconfigured when one of them cannot work here."""
    environment = {**({} if sample else {"DEPLOY_REPO": str(_NO_SAMPLE)}), **settings.agent_environment}
    return roster(configuration, {agent.name: agent.set_up(folder, environment) for agent in AGENTS})


def roster(configuration: Configuration, environments: Mapping[str, Mapping[str, str]]) -> Roster:
    """Who works here, under which rules."""
    policy = Policy(rules=configuration.rules, people=configuration.people, own_requests=configuration.own_requests)
    return Roster(
        agents={agent.name: agent for agent in AGENTS},
        policy=policy,
        environments=environments,
        budgets=configuration.budgets,
    )
