"""Warnings about the configuration and the environment. They do not prevent a start."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from agents.core.config_issues import ConfigIssue
from agents.core.tools import Tool
from agents.registry import AgentRegistry
from bot.config.approvers import find_approver_shortages
from bot.config.environment.env_file import find_near_misses, load_variable_lines
from bot.config.file.conditions import ANY_TOOL, ArgumentModels, find_shadowed_rules
from bot.config.loader import Configuration
from bot.config.messages import describe_unknown_name
from bot.config.settings import Settings
from channels.network import NetworkSettings

_ENV_FILE = Path(".env")


def find_config_warnings(
    configuration: Configuration, settings: Settings, registry: AgentRegistry
) -> tuple[ConfigIssue, ...]:
    """Return all warnings: those of the file in the order of its lines, then those of the environment."""
    file_warnings = [
        *_unknown_tool_warnings(configuration, registry.argument_models),
        *_shadowing_warnings(configuration, registry.argument_models),
        *_approver_warnings(configuration, registry.tools),
    ]
    file_warnings.sort(key=lambda warning: warning.line or 0)
    return (*file_warnings, *_environment_warnings(configuration, settings))


def _shadowing_warnings(configuration: Configuration, argument_models: ArgumentModels) -> Iterator[ConfigIssue]:
    for position, earlier in find_shadowed_rules(configuration.rules, argument_models).items():
        names = " and ".join(f"policy[{index}] (line {configuration.rule_lines[index]})" for index in earlier)
        verb = "matches" if len(earlier) == 1 else "match"
        message = f"never applies: {names} before it {verb} the same calls; move this rule up, or delete it"
        yield _rule_warning(configuration, position, f"policy[{position}]", message)


def _approver_warnings(configuration: Configuration, tools: Sequence[Tool]) -> Iterator[ConfigIssue]:
    for shortage in find_approver_shortages(configuration, tools):
        if not shortage.blocks_every_requester:
            continue
        if shortage.rule_index is not None:
            key = f"policy[{shortage.rule_index}].ask"
            yield _rule_warning(configuration, shortage.rule_index, key, f"{shortage.message}; {shortage.fix}")
        elif configuration.source is not None:
            message = f"{shortage.subject} {shortage.message}; {shortage.fix}"
            yield ConfigIssue(file=str(configuration.source), key="policy", message=message, severity="warning")


def _unknown_tool_warnings(configuration: Configuration, argument_models: ArgumentModels) -> Iterator[ConfigIssue]:
    for position, rule in enumerate(configuration.rules):
        if rule.tool != ANY_TOOL and rule.tool not in argument_models:
            message = f"there is no tool {rule.tool}; an agent that could not be imported may have it"
            yield _rule_warning(configuration, position, f"policy[{position}].tool", message)


def _rule_warning(configuration: Configuration, rule_index: int, key: str, message: str) -> ConfigIssue:
    line = configuration.rule_lines[rule_index]
    return ConfigIssue(file=str(configuration.source), line=line, key=key, message=message, severity="warning")


def _environment_warnings(configuration: Configuration, settings: Settings) -> Iterator[ConfigIssue]:
    known = (*settings.known_variables, *(webhook.secret_env for webhook in configuration.webhooks))
    yield from find_near_misses(settings.variables, known, load_variable_lines(_ENV_FILE), str(_ENV_FILE))
    yield from NetworkSettings(settings.variables).list_warnings()
    people = [person.key for person in configuration.people.members]
    for token in settings.handrail_api_tokens:
        if token.person is not None and token.person not in people:
            unknown = describe_unknown_name("person", token.person, people)
            message = f"the token {token.name} belongs to a person who is not in handrail.toml: {unknown}"
            yield ConfigIssue(key="HANDRAIL_API_TOKENS", message=message, severity="warning")
