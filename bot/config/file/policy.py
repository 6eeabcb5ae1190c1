"""`[[policy]]`: rules, of which the first match applies, and the approval terms of a rule."""

from collections.abc import Iterable
from math import isfinite
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, StrictBool, StrictInt, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticKnownError

from agents.core.policy import ApprovalTerms, OnExpire, Rule
from agents.core.values import Address, FrozenModel
from bot.config.file.conditions import find_impossible_conditions
from bot.config.file.references import (
    ADDRESS_FORMATS,
    Duration,
    HeldRole,
    KnownAddress,
    KnownPerson,
    KnownTool,
    get_declared_names,
)
from bot.config.messages import join_names, quote, validation_error_at

_DEFAULT_TERMS = ApprovalTerms()
_NOT_SCALAR_MESSAGE = "must be compared with a text, a number, true or false"
_MAX_EXACT_INTEGER = 2**53  # the largest integer that every JSON parser reads exactly (RFC 8259 §6)


def _check_scheme(value: Any) -> str:
    """Return the scheme of a channel. Raises the error of a Literal of all schemes."""
    if isinstance(value, str) and value in ADDRESS_FORMATS:
        return value
    *schemes, last = map(repr, ADDRESS_FORMATS)
    raise PydanticKnownError("literal_error", {"expected": f"{', '.join(schemes)} or {last}"})


class EscalationTable(FrozenModel):
    """One step of `escalate`."""

    after: Duration
    to: KnownAddress
    via: Annotated[str, BeforeValidator(_check_scheme)] | None = None

    @field_validator("via")
    @classmethod
    def _check_via(cls, via: str, info: ValidationInfo) -> str:
        to: Address | None = info.data.get("to")
        if to is None:
            return via
        if to.scheme not in ("person", "role"):
            raise ValueError(f"is only for a person or a role; {quote(to)} already names its channel")
        known = get_declared_names(info)
        people = known.people_with_role(to.id) if to.scheme == "role" else frozenset({to.id})
        if unreachable := people - known.people_by_address.get(via, frozenset()):
            raise ValueError(
                f"{join_names(unreachable)} cannot be reached by {via}; add an address for it under people"
            )
        return via


class AskTable(FrozenModel):
    """`ask` of a rule."""

    roles: tuple[HeldRole, ...] = _DEFAULT_TERMS.roles
    people: tuple[KnownPerson, ...] = _DEFAULT_TERMS.people
    quorum: Annotated[StrictInt, Field(ge=1)] = _DEFAULT_TERMS.quorum
    requester_may_approve: StrictBool = _DEFAULT_TERMS.requester_may_approve
    editor_may_approve: StrictBool = _DEFAULT_TERMS.editor_may_approve
    min_assurance: Literal["low", "medium", "high"] = "medium"
    expires: Duration = _DEFAULT_TERMS.expires
    on_expire: OnExpire = _DEFAULT_TERMS.on_expire
    remind: tuple[Duration, ...] = ()
    escalate: tuple[EscalationTable, ...] = ()

    @field_validator("quorum")
    @classmethod
    def _check_quorum(cls, quorum: int, info: ValidationInfo) -> int:
        people = _list_approvers(info)
        if people and quorum > len(people):
            raise ValueError(f"must be at most {len(people)}: only {join_names(people)} may approve (found {quorum})")
        return quorum

    @field_validator("remind")
    @classmethod
    def _check_remind(cls, delays: tuple[int, ...], info: ValidationInfo) -> tuple[int, ...]:
        _check_before_expiry(delays, info.data.get("expires"))
        return delays

    @field_validator("escalate")
    @classmethod
    def _check_escalate(cls, steps: tuple[EscalationTable, ...], info: ValidationInfo) -> tuple[EscalationTable, ...]:
        _check_before_expiry((step.after for step in steps), info.data.get("expires"))
        return steps

    @model_validator(mode="after")
    def _check_approvers(self) -> Self:
        if not {"roles", "people"} & self.model_fields_set:
            raise ValueError("must name the roles or people who may approve; with an empty list no person may")
        return self

    def to_terms(self, escalate: tuple[EscalationTable, ...]) -> ApprovalTerms:
        """Return the approval terms, with the escalation steps of the rule added to those of this table."""
        steps = [step.model_dump() for step in (*self.escalate, *escalate)]
        return ApprovalTerms.model_validate(self.model_dump() | {"escalate": steps})


class RuleTable(FrozenModel):
    """One rule. `escalate` may be a key of the rule or of its `ask`."""

    tool: KnownTool
    when: dict[str, Any] = {}
    ask: AskTable | None = None
    deny: Annotated[str, Field(min_length=1)] | None = None
    allow: StrictBool | None = None
    escalate: tuple[EscalationTable, ...] = ()

    @field_validator("when")
    @classmethod
    def _check_when(cls, when: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        messages = {argument: _NOT_SCALAR_MESSAGE for argument, value in when.items() if not _is_scalar(value)}
        if not messages and "tool" in info.data:
            messages = find_impossible_conditions(info.data["tool"], when, get_declared_names(info).tools)
        if messages:
            raise validation_error_at(messages)
        return when

    @field_validator("allow")
    @classmethod
    def _check_allow(cls, allow: bool) -> bool:
        if not allow:
            raise ValueError('must be true; to forbid the tool write deny = "the reason"')
        return allow

    @field_validator("escalate")
    @classmethod
    def _check_escalate(cls, steps: tuple[EscalationTable, ...], info: ValidationInfo) -> tuple[EscalationTable, ...]:
        ask: AskTable | None = info.data.get("ask")
        if "ask" in info.data and ask is None:
            raise ValueError("needs ask, which this rule does not have")
        if ask is not None:
            if ask.escalate:
                raise ValueError("is written both in the rule and in its ask; keep one")
            _check_before_expiry((step.after for step in steps), ask.expires)
        return steps

    @model_validator(mode="after")
    def _check_single_decision(self) -> Self:
        decisions = [key for key in ("ask", "deny", "allow") if getattr(self, key) is not None]
        if len(decisions) != 1:
            raise ValueError(f"must have one of ask, deny and allow (found {' and '.join(decisions) or 'none'})")
        return self

    def to_rule(self, position: int) -> Rule:
        """Return the rule, named after its position in the file, its tool and its conditions."""
        conditions = [f"{argument} = {quote(str(value))}" for argument, value in self.when.items()]
        return Rule(
            name=f"policy[{position}]: " + ", ".join([self.tool, *conditions]),
            tool=self.tool,
            when=self.when,
            ask=None if self.ask is None else self.ask.to_terms(self.escalate),
            deny=self.deny,
        )


def _is_scalar(value: Any) -> bool:
    if isinstance(value, float):
        return isfinite(value)
    return isinstance(value, str) or (isinstance(value, int) and abs(value) <= _MAX_EXACT_INTEGER)


def _list_approvers(info: ValidationInfo) -> frozenset[str]:
    roles, people = info.data.get("roles"), info.data.get("people")
    if roles is None or people is None:
        return frozenset()
    return frozenset(people).union(*map(get_declared_names(info).people_with_role, roles))


def _check_before_expiry(delays: Iterable[int], expires: int | None) -> None:
    if expires is not None and any(delay >= expires for delay in delays):
        raise ValueError("must come before the request expires")
