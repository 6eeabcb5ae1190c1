"""The house: the agents of the registry, the people and rules of the configuration, and what they need to work."""

from collections.abc import Mapping
from pathlib import Path

from agents.budget import BudgetExtension
from agents.checks import check_agents
from agents.config_issues import to_configuration_error
from agents.errors import ConfigurationError
from agents.policy import Policy
from agents.registry import AGENTS, LOADED_AGENTS
from bot.config import Configuration, find_configuration_path, load_configuration
from bot.config_file.conditions import ArgumentModels
from bot.config_warnings import find_config_warnings
from bot.roster import Roster
from bot.settings import DATA_DIR, Settings

AGENT_NAMES = frozenset(agent.name for agent in AGENTS)
ARGUMENT_MODELS: ArgumentModels = {
    **{tool.name: tool.arguments for agent in AGENTS for tool in agent.tools},
    "extend_budget": BudgetExtension,
}
"""The tools the configuration may speak of; the engine itself asks for `extend_budget`."""

_MISSING_REPOSITORY = DATA_DIR / "no-sample"
"""A repository that is not there: the tools then say how to name one."""


def load_installation(settings: Settings) -> Configuration:
    """The people and rules that hold here, with what to warn of.

    Raises Misconfigured with every mistake of the file, and of the agents.
    """
    mistakes = check_agents(LOADED_AGENTS)
    try:
        configuration = load_configuration(
            find_configuration_path(settings.handrail_config), tools=ARGUMENT_MODELS, agents=AGENT_NAMES
        )
    except ConfigurationError as error:
        raise to_configuration_error([*mistakes, *error.details]) from None
    if mistakes:
        raise to_configuration_error(mistakes)
    return configuration.model_copy(update={"warnings": find_config_warnings(configuration, settings, ARGUMENT_MODELS)})


def build_roster(
    settings: Settings, configuration: Configuration, *, may_use_sample: bool = True, data_dir: Path = DATA_DIR
) -> Roster:
    """Give every agent what its tools need. Raises Misconfigured when one of them cannot work here."""
    environment = {
        **({} if may_use_sample else {"DEPLOY_REPO": str(_MISSING_REPOSITORY)}),
        **settings.agent_environment,
    }
    return roster_from_environments(
        configuration, {agent.name: agent.set_up(data_dir, environment) for agent in AGENTS}
    )


def roster_from_environments(configuration: Configuration, environments: Mapping[str, Mapping[str, str]]) -> Roster:
    """Who works here, under which rules."""
    policy = Policy(
        rules=configuration.rules, people=configuration.people, allow_self_approval=configuration.allow_self_approval
    )
    return Roster(
        agents={agent.name: agent for agent in AGENTS},
        policy=policy,
        environments=environments,
        budgets=configuration.budgets,
    )
