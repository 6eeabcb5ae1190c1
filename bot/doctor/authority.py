"""Who can decide: rules that nobody, or only the one who asks, could ever satisfy."""

from collections.abc import Iterator

from agents.judge import eligible
from agents.people import People, Person
from agents.policy import Ask
from agents.registry import AGENTS
from agents.tools import Tool
from bot.config import Configuration
from bot.doctor.finding import Finding
from bot.house import roster

_NAME = "approvers"


def authority(configuration: Configuration) -> Iterator[Finding]:
    """A finding for every set of terms that cannot be met, one that all is well when there is none."""
    findings = [found for what, ask in _terms(configuration) if (found := _judged(what, ask, configuration.people))]
    if not findings:
        yield Finding(name=_NAME, state="ok", told="everything that is asked can be approved by somebody")
    yield from findings


def _terms(configuration: Configuration) -> Iterator[tuple[str, Ask]]:
    """The terms of every rule, and of the tools that none of the rules is always about."""
    for rule in configuration.rules:
        if rule.ask is not None:
            yield f"rule {rule.name}", rule.ask
    always = {rule.tool for rule in configuration.rules if not rule.when}
    for tool in (tool for agent in AGENTS for tool in agent.tools):
        if not always & {tool.name, "*"} and (ask := _default(configuration, tool)) is not None:
            yield f"the default of {tool.name}", ask


def _default(configuration: Configuration, tool: Tool) -> Ask | None:
    policy = roster(configuration, {}).policy.model_copy(update={"rules": ()})
    return policy.verdict(tool.name, {}, stance=tool.stance).ask


def _judged(what: str, ask: Ask, people: People) -> Finding | None:
    may = [one for one in people.everybody if eligible(one, ask)]
    if len(may) < ask.quorum:
        told = f"{what} needs {ask.quorum} of {_named(may)}, so nothing it is about can ever be approved"
        return Finding(name=_NAME, state="problem", told=told, fix="give somebody the role, or change the rule")
    if len(may) == ask.quorum and not ask.requester_may_approve:
        told = f"{what} takes {_named(may)}, who may not approve what they ask for themselves"
        return Finding(name=_NAME, state="warning", told=told, fix="name one more who may approve")
    return None


def _named(may: list[Person]) -> str:
    return ", ".join(one.key for one in may) or "nobody"
