"""Warnings about the configuration and the environment. They do not prevent a start.

Among them are approval terms that too few people can meet.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from agents.core.config_issues import ConfigIssue
from agents.core.decisions import may_decide
from agents.core.people import People, Person
from agents.core.policy import ApprovalTerms, Policy
from agents.core.tools import Tool
from agents.registry import AgentRegistry
from bot.config.environment import find_near_misses, load_variable_lines
from bot.config.file.conditions import ANY_TOOL, ArgumentModels, find_shadowed_rules
from bot.config.loader import Configuration
from bot.config.messages import describe_unknown_name
from bot.config.settings import Settings
from channels.settings import NetworkSettings

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
            message = f"{shortage.subject}: {shortage.message}; {shortage.fix}"
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


@dataclass(frozen=True)
class ApproverShortage:
    """Approval terms with too few approvers.

    `rule_index` is the position of the rule in handrail.toml, None for the default approval terms of a tool.
    `is_certain`: there are fewer approvers than required. Otherwise there are just enough, so that a request of one of
    the approvers cannot be approved. `blocks_every_requester`: no request of any person can be
    approved.
    """

    subject: str
    message: str
    fix: str
    is_certain: bool
    blocks_every_requester: bool
    rule_index: int | None = None


_RULE_FIX = 'add people to it, give a person its role, or write deny = "the reason"'
_DEFAULT_TERMS_FIX = "give a person a role that may approve, or write a rule for the tool with people, roles or deny"


def find_approver_shortages(configuration: Configuration, tools: Sequence[Tool]) -> Iterator[ApproverShortage]:
    """Yield a shortage for every set of approval terms, of rules and of tools, with too few approvers."""
    for rule_index, subject, terms in _list_terms(configuration, tools):
        if shortage := _check_terms(rule_index, subject, terms, configuration.people):
            yield shortage


def _list_terms(configuration: Configuration, tools: Sequence[Tool]) -> Iterator[tuple[int | None, str, ApprovalTerms]]:
    """Yield rule index, subject and terms: of every rule, and of the tools without an unconditional rule."""
    for position, rule in enumerate(configuration.rules):
        if rule.ask is not None:
            yield position, f"rule {rule.name}", rule.ask
    unconditional = {rule.tool for rule in configuration.rules if not rule.when}
    for tool in tools:
        if not unconditional & {tool.name, "*"} and (terms := _default_terms(configuration, tool)) is not None:
            yield None, f"the default approval terms of {tool.name}", terms


def _default_terms(configuration: Configuration, tool: Tool) -> ApprovalTerms | None:
    policy = Policy(people=configuration.people, allow_self_approval=configuration.allow_self_approval)
    return policy.evaluate(tool.name, {}, defaults=tool.defaults).ask


def _check_terms(rule_index: int | None, subject: str, terms: ApprovalTerms, people: People) -> ApproverShortage | None:
    approvers = [person for person in people.members if may_decide(person, terms)]
    if len(approvers) < terms.quorum:
        message = (
            f"requires {_format_approvals(terms.quorum)}, but {_format_approvers(approvers)}: "
            "its requests can never be approved"
        )
        fix = _RULE_FIX if rule_index is not None else _DEFAULT_TERMS_FIX
        return ApproverShortage(
            subject, message, fix, is_certain=True, blocks_every_requester=True, rule_index=rule_index
        )
    if len(approvers) == terms.quorum and not terms.requester_may_approve:
        return ApproverShortage(
            subject,
            f"{_format_approvers(approvers)}, and not a request of their own",
            "add one more approver",
            is_certain=False,
            blocks_every_requester=len(approvers) == len(people.members),
            rule_index=rule_index,
        )
    return None


def _format_approvals(count: int) -> str:
    return f"{count} approval{'s' if count > 1 else ''}"


def _format_approvers(approvers: list[Person]) -> str:
    if not approvers:
        return "no person can approve"
    return f"only {', '.join(person.key for person in approvers)} can approve"
