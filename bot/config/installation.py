"""Installation: the agents of the registry with the people, rules and settings that apply to them."""

from collections.abc import Mapping
from pathlib import Path

from agents.core.completion import BudgetExtension
from agents.core.config_issues import to_configuration_error
from agents.core.errors import ConfigurationError
from agents.core.policy import Policy
from agents.loading.checks import check_agents
from agents.registry import AGENTS, LOADED_AGENTS
from bot.config.file.conditions import ArgumentModels
from bot.config.loader import Configuration, find_configuration_path, load_configuration
from bot.config.settings import DATA_DIR, Settings
from bot.config.warnings import find_config_warnings
from bot.services.roster import Roster

AGENT_NAMES = frozenset(agent.name for agent in AGENTS)
ARGUMENT_MODELS: ArgumentModels = {
    **{tool.name: tool.arguments for agent in AGENTS for tool in agent.tools},
    "extend_budget": BudgetExtension,
}
"""Argument models of all tools that rules may name; `extend_budget` is requested by the engine itself."""

_MISSING_REPOSITORY = DATA_DIR / "no-sample"
"""Path that does not exist: the tools then explain how to set DEPLOY_REPO."""


def load_installation(settings: Settings) -> Configuration:
    """Load the configuration, with its warnings.

    Raises ConfigurationError with all mistakes of the file and of the agents.
    """
    issues = check_agents(LOADED_AGENTS)
    try:
        configuration = load_configuration(
            find_configuration_path(settings.handrail_config), tools=ARGUMENT_MODELS, agents=AGENT_NAMES
        )
    except ConfigurationError as error:
        raise to_configuration_error([*issues, *error.details]) from None
    if issues:
        raise to_configuration_error(issues)
    return configuration.model_copy(update={"warnings": find_config_warnings(configuration, settings, ARGUMENT_MODELS)})


def build_roster(
    settings: Settings,
    configuration: Configuration,
    *,
    may_use_sample_repository: bool = True,
    data_dir: Path = DATA_DIR,
) -> Roster:
    """Set up every agent and return them as a roster. Raises ConfigurationError if one of them cannot work here."""
    environment = {
        **({} if may_use_sample_repository else {"DEPLOY_REPO": str(_MISSING_REPOSITORY)}),
        **settings.agent_environment,
    }
    return roster_from_environments(
        configuration, {agent.name: agent.set_up(data_dir, environment) for agent in AGENTS}
    )


def roster_from_environments(configuration: Configuration, environments: Mapping[str, Mapping[str, str]]) -> Roster:
    """Return the roster of all agents, with the policy of the configuration and the environments of their tools."""
    policy = Policy(
        rules=configuration.rules, people=configuration.people, allow_self_approval=configuration.allow_self_approval
    )
    return Roster(
        agents={agent.name: agent for agent in AGENTS},
        policy=policy,
        environments=environments,
        budgets=configuration.budgets,
    )
