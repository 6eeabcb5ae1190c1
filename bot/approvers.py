"""The people who can approve: terms that too few people can meet."""

from collections.abc import Iterator
from dataclasses import dataclass

from agents.judge import eligible
from agents.people import People, Person
from agents.policy import Ask, Policy
from agents.registry import AGENTS
from agents.tools import Tool
from bot.config import Configuration


@dataclass(frozen=True)
class Shortage:
    """Terms that are hard to meet. `rule` is the position of their rule, None for the default of a tool.

    `is_for_all` tells that no request on these terms can be approved; `is_certain` that this is so whoever asks, and
    not only because the one person there is may not approve what they ask for.
    """

    what: str
    told: str
    fix: str
    is_certain: bool
    is_for_all: bool
    rule: int | None = None


def find_shortages(configuration: Configuration) -> Iterator[Shortage]:
    """Return a shortage for every set of terms with too few approvers."""
    for rule, what, ask in _terms(configuration):
        if shortage := _judge(rule, what, ask, configuration.people):
            yield shortage


def _terms(configuration: Configuration) -> Iterator[tuple[int | None, str, Ask]]:
    """Return the terms of every rule, and of the tools that no unconditional rule decides for."""
    for position, rule in enumerate(configuration.rules):
        if rule.ask is not None:
            yield position, f"rule {rule.name}", rule.ask
    always = {rule.tool for rule in configuration.rules if not rule.when}
    for tool in (tool for agent in AGENTS for tool in agent.tools):
        if not always & {tool.name, "*"} and (ask := _default(configuration, tool)) is not None:
            yield None, f"the default of {tool.name}", ask


def _default(configuration: Configuration, tool: Tool) -> Ask | None:
    policy = Policy(people=configuration.people, own_requests=configuration.own_requests)
    return policy.verdict(tool.name, {}, stance=tool.stance).ask


def _judge(rule: int | None, what: str, ask: Ask, people: People) -> Shortage | None:
    may = [one for one in people.everybody if eligible(one, ask)]
    if len(may) < ask.quorum:
        told = f"needs {ask.quorum} of {_names(may)}, so nothing it is about can ever be approved"
        fix = 'name people in it, give somebody the role, or write deny = "the reason"'
        return Shortage(what, told, fix, is_certain=True, is_for_all=True, rule=rule)
    if len(may) == ask.quorum and not ask.requester_may_approve:
        told = f"takes {_names(may)}, who may not approve what they ask for themselves"
        is_for_all = len(may) == len(people.everybody)
        return Shortage(what, told, "name one more who may approve", is_certain=False, is_for_all=is_for_all, rule=rule)
    return None


def _names(may: list[Person]) -> str:
    return ", ".join(one.key for one in may) or "nobody"
