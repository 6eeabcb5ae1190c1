"""Installation: the agents of a process with the people, rules and settings that apply to them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path

from agents.core.config_issues import ConfigIssue, to_configuration_error
from agents.core.errors import ConfigurationError
from agents.core.policy import Policy
from agents.loading.sources import LoadedAgent
from agents.registry import ENTRY_POINT_GROUP, AgentRegistry, load_registry
from bot.config.loader import Configuration, find_configuration_path, load_configuration
from bot.config.settings import DATA_DIR, Settings
from bot.config.warnings import find_config_warnings
from bot.log import LogEvent, log
from bot.services.roster import Roster

_MISSING_REPOSITORY = DATA_DIR / "no-sample"
"""Path that does not exist: the tools then explain how to set DEPLOY_REPO."""


@dataclass(frozen=True)
class Installation:
    """The configuration, and the agents that it applies to."""

    configuration: Configuration
    registry: AgentRegistry


def load_agents(settings: Settings) -> AgentRegistry:
    """Import the built-in agents, those of HANDRAIL_AGENTS and those of the entry point group `handrail.agents`."""
    return load_registry(settings.handrail_agents, entry_points(group=ENTRY_POINT_GROUP))


def load_installation(settings: Settings) -> Installation:
    """Load the agents and the configuration, with its warnings.

    Raises ConfigurationError with all mistakes of the file and of the built-in agents. Other agents with mistakes are
    left out of the registry.
    """
    registry = load_agents(settings)
    issues = registry.built_in_issues
    try:
        configuration = load_configuration(
            find_configuration_path(settings.handrail_config),
            tools=registry.argument_models,
            agents=registry.declared_names,
            is_complete=registry.is_complete,
        )
    except ConfigurationError as error:
        # A name in the file may be unknown because its agent was left out, so these reasons are listed too.
        raise to_configuration_error([*issues, *error.details, *registry.other_issues]) from None
    if issues:
        raise to_configuration_error(issues)
    warnings = find_config_warnings(configuration, settings, registry)
    return Installation(configuration.model_copy(update={"warnings": warnings}), registry)


def build_roster(
    settings: Settings,
    installation: Installation,
    *,
    may_use_sample_repository: bool = True,
    data_dir: Path = DATA_DIR,
) -> Roster:
    """Set up every agent and return them as a roster.

    Raises ConfigurationError if a built-in agent cannot work here. Another agent whose `set_up` fails is left out.
    """
    variables = {
        **({} if may_use_sample_repository else {"DEPLOY_REPO": str(_MISSING_REPOSITORY)}),
        **settings.agent_environment,
    }
    _log_left_out(installation.registry.left_out)
    registry, environments = _set_up_agents(installation.registry, data_dir, variables)
    return roster_from_environments(Installation(installation.configuration, registry), environments)


def _set_up_agents(
    registry: AgentRegistry, data_dir: Path, variables: Mapping[str, str]
) -> tuple[AgentRegistry, Mapping[str, Mapping[str, str]]]:
    """Return the environments of the agents' tools, and the registry without agents whose `set_up` failed."""
    environments: dict[str, Mapping[str, str]] = {}
    remaining = registry
    for loaded in registry.loaded:
        if (agent := loaded.agent) is None:
            continue
        try:
            environments[agent.name] = dict(agent.set_up(data_dir, variables))
        except Exception as error:
            if loaded.is_built_in:
                raise
            issue = ConfigIssue(file=loaded.file, message=f"`set_up` raised {type(error).__name__}")
            remaining = remaining.leave_out(agent, issue)
            log(LogEvent.AGENT_LEFT_OUT, level="warning", agent=agent.name, file=loaded.file, error=error)
    return remaining, environments


def _log_left_out(left_out: Sequence[LoadedAgent]) -> None:
    """Log each agent that was left out, with the place of its first mistake.

    The text of a mistake is not logged: it may be that of an exception of the agent's code, and contain a secret.
    """
    for loaded in left_out:
        first = loaded.issues[0]
        log(
            LogEvent.AGENT_LEFT_OUT,
            level="warning",
            agent=loaded.name,
            file=first.file or loaded.file,
            line=first.line,
            count=len(loaded.issues),
            warning="it has mistakes; `handrail agents check` lists them",
        )


def roster_from_environments(installation: Installation, environments: Mapping[str, Mapping[str, str]]) -> Roster:
    """Return the roster of all agents, with the policy of the configuration and the environments of their tools."""
    configuration = installation.configuration
    policy = Policy(
        rules=configuration.rules, people=configuration.people, allow_self_approval=configuration.allow_self_approval
    )
    agents = {agent.name: agent for agent in installation.registry.agents}
    return Roster(agents=agents, policy=policy, environments=environments, budgets=configuration.budgets)
