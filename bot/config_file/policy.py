"""`[[policy]]`: the rules, first match wins, and the terms on which people are asked."""

from collections.abc import Iterable
from math import isfinite
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StrictBool, StrictInt, ValidationInfo, field_validator, model_validator

from agents.addresses import Address
from agents.frozen import Frozen
from agents.policy import Ask, OnExpire, Rule
from bot.config_file.conditions import find_impossible
from bot.config_file.durations import Duration
from bot.config_file.names import names
from bot.config_file.references import HeldRole, KnownAddress, KnownPerson, KnownTool
from bot.mistakes import errors_at, listed, quoted

_USUAL = Ask()
_NOT_PLAIN = "must be compared with a text, a number, true or false"
_EXACT = 2**53  # whole numbers up to here survive JSON (RFC 8259 §6)


class EscalationTable(Frozen):
    """One step of `escalate`."""

    after: Duration
    to: KnownAddress
    via: Literal["slack", "email", "sms", "terminal", "web"] | None = None

    @field_validator("via")
    @classmethod
    def _reaches_everybody(cls, via: str, info: ValidationInfo) -> str:
        to: Address | None = info.data.get("to")
        if to is None:
            return via
        if to.scheme not in ("person", "role"):
            raise ValueError(f"goes with a person or a role; {quoted(to)} names its channel already")
        known = names(info)
        asked = known.with_role(to.rest) if to.scheme == "role" else frozenset({to.rest})
        if unreached := asked - known.owners.get(via, frozenset()):
            raise ValueError(f"{listed(unreached)} cannot be reached by {via}: no address for it is written there")
        return via


class AskTable(Frozen):
    """`ask` of a rule."""

    roles: tuple[HeldRole, ...] = _USUAL.roles
    people: tuple[KnownPerson, ...] = _USUAL.people
    quorum: Annotated[StrictInt, Field(ge=1)] = _USUAL.quorum
    requester_may_approve: StrictBool = _USUAL.requester_may_approve
    editor_may_approve: StrictBool = _USUAL.editor_may_approve
    min_assurance: Literal["low", "medium", "high"] = "medium"
    expires: Duration = _USUAL.expires
    on_expire: OnExpire = _USUAL.on_expire
    remind: tuple[Duration, ...] = ()
    escalate: tuple[EscalationTable, ...] = ()

    @field_validator("quorum")
    @classmethod
    def _enough_people(cls, quorum: int, info: ValidationInfo) -> int:
        asked = _approvers(info)
        if asked and quorum > len(asked):
            raise ValueError(f"must be at most {len(asked)}: only {listed(asked)} may approve (found {quorum})")
        return quorum

    @field_validator("remind")
    @classmethod
    def _reminds_in_time(cls, moments: tuple[int, ...], info: ValidationInfo) -> tuple[int, ...]:
        _before_expiry(moments, info.data.get("expires"))
        return moments

    @field_validator("escalate")
    @classmethod
    def _escalates_in_time(
        cls, steps: tuple[EscalationTable, ...], info: ValidationInfo
    ) -> tuple[EscalationTable, ...]:
        _before_expiry((step.after for step in steps), info.data.get("expires"))
        return steps

    @model_validator(mode="after")
    def _names_approvers(self) -> Self:
        if not {"roles", "people"} & self.model_fields_set:
            raise ValueError("must name the roles or people who may approve; an empty list means that nobody may")
        return self

    def terms(self, escalate: tuple[EscalationTable, ...]) -> Ask:
        """The terms the core knows, with the escalation steps that stand beside them."""
        steps = [step.model_dump() for step in (*self.escalate, *escalate)]
        return Ask.model_validate(self.model_dump() | {"escalate": steps})


class RuleTable(Frozen):
    """One rule as written. `escalate` may stand beside `ask` or inside it."""

    tool: KnownTool
    when: dict[str, Any] = {}
    ask: AskTable | None = None
    deny: Annotated[str, Field(min_length=1)] | None = None
    allow: StrictBool | None = None
    escalate: tuple[EscalationTable, ...] = ()

    @field_validator("when")
    @classmethod
    def _can_match(cls, when: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        wrong = {argument: _NOT_PLAIN for argument, value in when.items() if not _plain(value)}
        if not wrong and "tool" in info.data:
            wrong = find_impossible(info.data["tool"], when, names(info).tools)
        if wrong:
            raise errors_at(wrong)
        return when

    @field_validator("allow")
    @classmethod
    def _allows(cls, allow: bool) -> bool:
        if not allow:
            raise ValueError('must be true; to forbid the tool write deny = "the reason"')
        return allow

    @field_validator("escalate")
    @classmethod
    def _goes_with_ask(cls, steps: tuple[EscalationTable, ...], info: ValidationInfo) -> tuple[EscalationTable, ...]:
        ask: AskTable | None = info.data.get("ask")
        if "ask" in info.data and ask is None:
            raise ValueError("goes with ask, which this rule does not have")
        if ask is not None:
            if ask.escalate:
                raise ValueError("is written beside ask and inside it; keep one")
            _before_expiry((step.after for step in steps), ask.expires)
        return steps

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        said = [key for key in ("ask", "deny", "allow") if getattr(self, key) is not None]
        if len(said) != 1:
            raise ValueError(f"must say one of ask, deny and allow (found {' and '.join(said) or 'none'})")
        return self

    def rule(self, position: int) -> Rule:
        """The rule the core knows, named by its place in the file and by what it is about."""
        conditions = [f"{argument} = {quoted(str(value))}" for argument, value in self.when.items()]
        return Rule(
            name=f"policy[{position}]: " + ", ".join([self.tool, *conditions]),
            tool=self.tool,
            when=self.when,
            ask=None if self.ask is None else self.ask.terms(self.escalate),
            deny=self.deny,
        )


def _plain(value: Any) -> bool:
    if isinstance(value, float):
        return isfinite(value)
    return isinstance(value, str) or (isinstance(value, int) and abs(value) <= _EXACT)


def _approvers(info: ValidationInfo) -> frozenset[str]:
    roles, people = info.data.get("roles"), info.data.get("people")
    if roles is None or people is None:
        return frozenset()
    return frozenset(people).union(*map(names(info).with_role, roles))


def _before_expiry(moments: Iterable[int], expires: int | None) -> None:
    if expires is not None and any(moment >= expires for moment in moments):
        raise ValueError("must come before the request expires")
