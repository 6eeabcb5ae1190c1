"""Who may decide what: a pure function outside the model (DESIGN §6)."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from agents.addresses import Address
from agents.frozen import FrozenModel
from agents.messages import Assurance
from agents.people import People

OnExpire = Literal["deny", "hold", "halt"]
EffectClass = Literal["read", "idempotent", "verifiable", "once"]


class EscalationStep(FrozenModel):
    """Ask somebody else, or elsewhere, when nobody has answered `after` seconds."""

    after: int
    to: Address
    via: str | None = None


def _sort_by_time(steps: tuple[EscalationStep, ...]) -> tuple[EscalationStep, ...]:
    return tuple(sorted(steps, key=lambda step: step.after))


class ApprovalTerms(FrozenModel):
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
    escalate: Annotated[tuple[EscalationStep, ...], AfterValidator(_sort_by_time)] = ()


CONFIRMATION_TERMS = ApprovalTerms(roles=("*",), requester_may_approve=True)
"""The terms for a call that would be allowed without untrusted content, where its tool names no approver."""


class Rule(FrozenModel):
    """One ordered rule of the configuration: the first whose tool and `when` match decides."""

    name: str
    tool: str
    when: dict[str, Any] = {}
    ask: ApprovalTerms | None = None
    deny: str | None = None


class PolicyDecision(FrozenModel):
    """What policy says of one proposal, and which rule said it."""

    answer: Literal["allow", "ask", "deny"]
    rule: str
    reason: str = ""
    ask: ApprovalTerms | None = None


class ToolDefaults(FrozenModel):
    """What a tool says of itself, used when no rule matches."""

    effect: EffectClass
    risk: Literal["low", "medium", "high"]
    ask: ApprovalTerms


class Policy(FrozenModel):
    """The rules of the house, in order, and the people they speak of.

    `own_requests` lets a requester approve what a tool asks by its own default: only for a house of one person.
    """

    rules: tuple[Rule, ...] = ()
    people: People = People()
    allow_self_approval: bool = False

    def evaluate(
        self, tool: str, arguments: Mapping[str, Any], *, defaults: ToolDefaults | None, is_trusted: bool = True
    ) -> PolicyDecision:
        """What may happen with this proposal; see `decide`."""
        if defaults is not None and self.allow_self_approval:
            own = defaults.ask.model_copy(update={"requester_may_approve": True})
            defaults = defaults.model_copy(update={"ask": own})
        return evaluate(tool, arguments, defaults=defaults, rules=self.rules, is_trusted=is_trusted)


def evaluate(
    tool: str, arguments: Mapping[str, Any], *, defaults: ToolDefaults | None, rules: Sequence[Rule], is_trusted: bool
) -> PolicyDecision:
    """Judge one proposal. `stance` is None for a tool nobody knows; `trusted` is False with untrusted content around.

    Untrusted content can only raise the answer: what would be allowed is asked, unless it only reads.
    """
    if defaults is None:
        return PolicyDecision(answer="deny", rule="unknown tool", reason=f"there is no tool {tool}")
    verdict = next(
        (_decision_of_rule(rule) for rule in rules if _rule_matches(rule, tool, arguments)),
        _default_decision(tool, defaults),
    )
    if verdict.answer == "allow" and not is_trusted and defaults.effect != "read":
        return PolicyDecision(
            answer="ask", rule=f"{verdict.rule}, untrusted content", ask=_confirmation_terms(defaults)
        )
    return verdict


def _confirmation_terms(defaults: ToolDefaults) -> ApprovalTerms:
    """Return the terms for confirming an allowed call: those of its tool, or any person's if that names no approver."""
    return defaults.ask if defaults.ask.roles or defaults.ask.people else CONFIRMATION_TERMS


def _rule_matches(rule: Rule, tool: str, arguments: Mapping[str, Any]) -> bool:
    if rule.tool not in (tool, "*"):
        return False
    return all(name in arguments and is_same_value(arguments[name], value) for name, value in rule.when.items())


def is_same_value(first: Any, second: Any) -> bool:
    """Compare as JSON does: 1.0 is 1, but true is not."""
    return bool(first == second) and isinstance(first, bool) == isinstance(second, bool)


def _decision_of_rule(rule: Rule) -> PolicyDecision:
    if rule.deny is not None:
        return PolicyDecision(answer="deny", rule=rule.name, reason=rule.deny)
    if rule.ask is not None:
        return PolicyDecision(answer="ask", rule=rule.name, ask=rule.ask)
    return PolicyDecision(answer="allow", rule=rule.name)


def _default_decision(tool: str, defaults: ToolDefaults) -> PolicyDecision:
    if defaults.effect == "read" or defaults.risk == "low":
        return PolicyDecision(answer="allow", rule=f"{tool}'s own default")
    return PolicyDecision(answer="ask", rule=f"{tool}'s own default", ask=defaults.ask)
