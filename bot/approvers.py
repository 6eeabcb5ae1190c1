"""The people who can approve: terms that too few people can meet."""

from collections.abc import Iterator
from dataclasses import dataclass

from agents.decisions import may_decide
from agents.people import People, Person
from agents.policy import ApprovalTerms, Policy
from agents.registry import AGENTS
from agents.tools import Tool
from bot.config import Configuration


@dataclass(frozen=True)
class ApproverShortage:
    """Terms that are hard to meet. `rule` is the position of their rule, None for the default of a tool.

    `is_for_all` tells that no request on these terms can be approved; `is_certain` that this is so whoever asks, and
    not only because the one person there is may not approve what they ask for.
    """

    subject: str
    message: str
    fix: str
    is_certain: bool
    is_for_every_person: bool
    rule_index: int | None = None


def find_approver_shortages(configuration: Configuration) -> Iterator[ApproverShortage]:
    """Return a shortage for every set of terms with too few approvers."""
    for rule, what, ask in _list_terms(configuration):
        if shortage := _check_terms(rule, what, ask, configuration.people):
            yield shortage


def _list_terms(configuration: Configuration) -> Iterator[tuple[int | None, str, ApprovalTerms]]:
    """Return the terms of every rule, and of the tools that no unconditional rule decides for."""
    for position, rule in enumerate(configuration.rules):
        if rule.ask is not None:
            yield position, f"rule {rule.name}", rule.ask
    always = {rule.tool for rule in configuration.rules if not rule.when}
    for tool in (tool for agent in AGENTS for tool in agent.tools):
        if not always & {tool.name, "*"} and (ask := _default_terms(configuration, tool)) is not None:
            yield None, f"the default of {tool.name}", ask


def _default_terms(configuration: Configuration, tool: Tool) -> ApprovalTerms | None:
    policy = Policy(people=configuration.people, allow_self_approval=configuration.allow_self_approval)
    return policy.evaluate(tool.name, {}, defaults=tool.defaults).ask


def _check_terms(rule_index: int | None, subject: str, terms: ApprovalTerms, people: People) -> ApproverShortage | None:
    may = [one for one in people.members if may_decide(one, terms)]
    if len(may) < terms.quorum:
        told = f"needs {terms.quorum} of {_join_keys(may)}, so nothing it is about can ever be approved"
        fix = 'name people in it, give somebody the role, or write deny = "the reason"'
        return ApproverShortage(subject, told, fix, is_certain=True, is_for_every_person=True, rule_index=rule_index)
    if len(may) == terms.quorum and not terms.requester_may_approve:
        told = f"takes {_join_keys(may)}, who may not approve what they ask for themselves"
        is_for_all = len(may) == len(people.members)
        return ApproverShortage(
            subject,
            told,
            "name one more who may approve",
            is_certain=False,
            is_for_every_person=is_for_all,
            rule_index=rule_index,
        )
    return None


def _join_keys(approvers: list[Person]) -> str:
    return ", ".join(one.key for one in approvers) or "nobody"
