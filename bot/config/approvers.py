"""Check for approval terms that too few people can meet."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from agents.core.decisions import may_decide
from agents.core.people import People, Person
from agents.core.policy import ApprovalTerms, Policy
from agents.core.tools import Tool
from bot.config.loader import Configuration


@dataclass(frozen=True)
class ApproverShortage:
    """Approval terms with too few approvers.

    `rule_index` is the position of the rule in handrail.toml, None for the default of a tool. `is_certain`: there are
    fewer approvers than required. Otherwise there are just enough, so that a request of one of the approvers cannot be
    approved. `blocks_every_requester`: no person at all can make a request that can be approved.
    """

    subject: str
    message: str
    fix: str
    is_certain: bool
    blocks_every_requester: bool
    rule_index: int | None = None


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
            yield None, f"the default of {tool.name}", terms


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
        fix = 'add people to it, give a person its role, or write deny = "the reason"'
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
