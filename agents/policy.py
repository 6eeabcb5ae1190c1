"""Who may decide what: a pure function outside the model (DESIGN §6)."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from agents.addresses import Address
from agents.frozen import Frozen
from agents.messages import Assurance
from agents.people import People

OnExpire = Literal["deny", "hold", "halt"]
EffectClass = Literal["read", "idempotent", "verifiable", "once"]


class Escalation(Frozen):
    """Ask somebody else, or elsewhere, when nobody has answered `after` seconds."""

    after: int
    to: Address
    via: str | None = None


def _by_time(steps: tuple[Escalation, ...]) -> tuple[Escalation, ...]:
    return tuple(sorted(steps, key=lambda step: step.after))


class Ask(Frozen):
    """The terms on which people decide. Times are seconds, and stand in the order in which they come.

    Empty `roles` and `people` mean that nobody may; the role `*` means everybody we know. Every request has a time to
    live; `on_expire` "hold" keeps it open beyond that. Without `editor_may_approve` an edit approves nothing: another
    person must approve the new arguments.
    """

    roles: tuple[str, ...] = ()
    people: tuple[str, ...] = ()
    quorum: Annotated[int, Field(ge=1)] = 1
    requester_may_approve: bool = False
    editor_may_approve: bool = Field(default=True, exclude_if=lambda may: may)
    min_assurance: Assurance = Assurance.MEDIUM
    expires: int = 1800
    on_expire: OnExpire = "deny"
    remind: Annotated[tuple[int, ...], AfterValidator(lambda times: tuple(sorted(times)))] = ()
    escalate: Annotated[tuple[Escalation, ...], AfterValidator(_by_time)] = ()


CONFIRMATION = Ask(roles=("*",), requester_may_approve=True)
"""The terms for a call that would be allowed without untrusted content, where its tool names no approver."""


class Rule(Frozen):
    """One ordered rule of the configuration: the first whose tool and `when` match decides."""

    name: str
    tool: str
    when: dict[str, Any] = {}
    ask: Ask | None = None
    deny: str | None = None


class Verdict(Frozen):
    """What policy says of one proposal, and which rule said it."""

    answer: Literal["allow", "ask", "deny"]
    rule: str
    reason: str = ""
    ask: Ask | None = None


class Stance(Frozen):
    """What a tool says of itself, used when no rule matches."""

    effect: EffectClass
    risk: Literal["low", "medium", "high"]
    ask: Ask


class Policy(Frozen):
    """The rules of the house, in order, and the people they speak of.

    `own_requests` lets a requester approve what a tool asks by its own default: only for a house of one person.
    """

    rules: tuple[Rule, ...] = ()
    people: People = People()
    own_requests: bool = False

    def verdict(
        self, tool: str, arguments: Mapping[str, Any], *, stance: Stance | None, trusted: bool = True
    ) -> Verdict:
        """What may happen with this proposal; see `decide`."""
        if stance is not None and self.own_requests:
            own = stance.ask.model_copy(update={"requester_may_approve": True})
            stance = stance.model_copy(update={"ask": own})
        return decide(tool, arguments, stance=stance, rules=self.rules, trusted=trusted)


def decide(
    tool: str, arguments: Mapping[str, Any], *, stance: Stance | None, rules: Sequence[Rule], trusted: bool
) -> Verdict:
    """Judge one proposal. `stance` is None for a tool nobody knows; `trusted` is False with untrusted content around.

    Untrusted content can only raise the answer: what would be allowed is asked, unless it only reads.
    """
    if stance is None:
        return Verdict(answer="deny", rule="unknown tool", reason=f"there is no tool {tool}")
    verdict = next((_apply(rule) for rule in rules if _matches(rule, tool, arguments)), _own(tool, stance))
    if verdict.answer == "allow" and not trusted and stance.effect != "read":
        return Verdict(answer="ask", rule=f"{verdict.rule}, untrusted content", ask=_confirmation(stance))
    return verdict


def _confirmation(stance: Stance) -> Ask:
    """Return the terms for confirming an allowed call: those of its tool, or any person's if that names no approver."""
    return stance.ask if stance.ask.roles or stance.ask.people else CONFIRMATION


def _matches(rule: Rule, tool: str, arguments: Mapping[str, Any]) -> bool:
    if rule.tool not in (tool, "*"):
        return False
    return all(name in arguments and is_same_value(arguments[name], value) for name, value in rule.when.items())


def is_same_value(one: Any, other: Any) -> bool:
    """Compare as JSON does: 1.0 is 1, but true is not."""
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def _apply(rule: Rule) -> Verdict:
    if rule.deny is not None:
        return Verdict(answer="deny", rule=rule.name, reason=rule.deny)
    if rule.ask is not None:
        return Verdict(answer="ask", rule=rule.name, ask=rule.ask)
    return Verdict(answer="allow", rule=rule.name)


def _own(tool: str, stance: Stance) -> Verdict:
    if stance.effect == "read" or stance.risk == "low":
        return Verdict(answer="allow", rule=f"{tool}'s own default")
    return Verdict(answer="ask", rule=f"{tool}'s own default", ask=stance.ask)
