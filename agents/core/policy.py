"""Policy: decide whether a tool call is allowed, denied or needs approval. Pure functions outside the model."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from agents.core.messages import Assurance
from agents.core.people import People
from agents.core.values import Address, FrozenModel

OnExpire = Literal["deny", "hold", "halt"]
"""Consequence of a request's expiry: the call is dropped, the request stays open, or the thread ends."""

EffectClass = Literal["read", "idempotent", "verifiable", "once"]
"""A tool's declaration of whether a call may be repeated after a crash.

`read`: it changes nothing. `idempotent`: a repetition has no further effect. `verifiable`: the tool's check finds out
whether the call took effect. `once`: it must not be repeated unless a person asks for it.
"""


class EscalationStep(FrozenModel):
    """Escalation: ask `to` when a request has no answer after `after` seconds.

    `to` is `role:NAME`, `person:KEY` or another address; `via` is the channel on which the people are asked.
    """

    after: int
    to: Address
    via: str | None = None


def _sort_by_time(steps: tuple[EscalationStep, ...]) -> tuple[EscalationStep, ...]:
    return tuple(sorted(steps, key=lambda step: step.after))


class ApprovalTerms(FrozenModel):
    """Terms of an approval: who may decide, how many must approve, how strongly authenticated and until when.

    Times are in seconds; `remind` and `escalate` are sorted by time. Empty `roles` and `people` mean that no person may
    decide; the role `*` means any known person. Each request expires; `on_expire` "hold" keeps it open after that.
    Without `editor_may_approve` an edit does not count as an approval: another person must approve the new arguments.
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
"""Terms for a call that untrusted content keeps from being allowed, if its tool names no approver."""


class Rule(FrozenModel):
    """A configured rule. The first rule whose tool and `when` arguments match decides.

    `deny` is the reason for a denial. A rule with neither `ask` nor `deny` allows the call.
    """

    name: str
    tool: str
    when: dict[str, Any] = {}
    ask: ApprovalTerms | None = None
    deny: str | None = None


class PolicyDecision(FrozenModel):
    """Policy's answer for a proposed call, and the rule that gave it."""

    answer: Literal["allow", "ask", "deny"]
    rule: str
    reason: str = ""
    ask: ApprovalTerms | None = None


class ToolDefaults(FrozenModel):
    """A tool's own classification and approval terms, used when no rule matches.

    Without a rule, a call that only reads or has a low risk is allowed; any other needs an approval under `ask`.
    """

    effect: EffectClass
    risk: Literal["low", "medium", "high"]
    ask: ApprovalTerms


class Policy(FrozenModel):
    """The configured rules in order, and the people they refer to.

    `allow_self_approval` lets requesters approve calls under a tool's default terms; only for single-person use.
    """

    rules: tuple[Rule, ...] = ()
    people: People = People()
    allow_self_approval: bool = False

    def evaluate(
        self, tool: str, arguments: Mapping[str, Any], *, defaults: ToolDefaults | None, is_trusted: bool = True
    ) -> PolicyDecision:
        """Return the decision on a proposed call; see the function `evaluate`."""
        if defaults is not None and self.allow_self_approval:
            terms = defaults.ask.model_copy(update={"requester_may_approve": True})
            defaults = defaults.model_copy(update={"ask": terms})
        return evaluate(tool, arguments, defaults=defaults, rules=self.rules, is_trusted=is_trusted)


def evaluate(
    tool: str, arguments: Mapping[str, Any], *, defaults: ToolDefaults | None, rules: Sequence[Rule], is_trusted: bool
) -> PolicyDecision:
    """Return the decision on a proposed call. `defaults` is None for an unknown tool.

    If the model saw untrusted content (`is_trusted` False), such as a quoted mail, a call that would be allowed needs
    approval, unless its tool only reads.
    """
    if defaults is None:
        return PolicyDecision(answer="deny", rule="unknown tool", reason=f"there is no tool {tool}")
    decision = next(
        (_decision_of_rule(rule) for rule in rules if _rule_matches(rule, tool, arguments)),
        _default_decision(tool, defaults),
    )
    if decision.answer == "allow" and not is_trusted and defaults.effect != "read":
        return PolicyDecision(
            answer="ask", rule=f"{decision.rule}, untrusted content", ask=_confirmation_terms(defaults)
        )
    return decision


def _confirmation_terms(defaults: ToolDefaults) -> ApprovalTerms:
    """Return the terms for confirming an allowed call: its tool's, or CONFIRMATION_TERMS if those name no approver."""
    return defaults.ask if defaults.ask.roles or defaults.ask.people else CONFIRMATION_TERMS


def _rule_matches(rule: Rule, tool: str, arguments: Mapping[str, Any]) -> bool:
    if rule.tool not in (tool, "*"):
        return False
    return all(name in arguments and is_same_value(arguments[name], value) for name, value in rule.when.items())


def is_same_value(first: Any, second: Any) -> bool:
    """Return whether two values are equal in JSON: 1.0 equals 1, but true does not."""
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
