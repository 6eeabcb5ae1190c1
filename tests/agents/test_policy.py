"""Policy: the first rule that matches decides, nobody is trusted by omission, and doubt only raises an answer."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from agents.addresses import Address
from agents.decisions import may_decide
from agents.messages import Assurance
from agents.policy import ApprovalTerms, EscalationStep, Policy, PolicyDecision, Rule, ToolDefaults, evaluate
from tests.agents.factories import PEOPLE

RANK = {"allow": 0, "ask": 1, "deny": 2}
OWN = ApprovalTerms(roles=("own",))
RISKY = ToolDefaults(effect="once", risk="high", ask=OWN)
MILD = ToolDefaults(effect="once", risk="low", ask=OWN)
READ = ToolDefaults(effect="read", risk="high", ask=OWN)

names = st.sampled_from(["push", "ship", "look"])
values = st.none() | st.booleans() | st.integers(0, 2) | st.sampled_from([0.0, 1.0, 1.5, "1", "production", ""])
arguments = st.dictionaries(st.sampled_from(["where", "n"]), values | st.lists(values, max_size=2))
asks = st.builds(ApprovalTerms, roles=st.sampled_from([(), ("release",), ("*",)]), quorum=st.integers(1, 3))
rules = st.builds(
    Rule,
    name=st.sampled_from(["one", "two", "three"]),
    tool=names | st.just("*"),
    when=arguments,
    ask=st.none() | asks,
    deny=st.none() | st.just("no"),
)
effects = st.sampled_from(["read", "idempotent", "verifiable", "once"])
stances = st.builds(ToolDefaults, effect=effects, risk=st.sampled_from(["low", "medium", "high"]), ask=asks)


def verdict(
    *rules: Rule, tool: str = "push", stance: ToolDefaults | None = RISKY, trusted: bool = True, **given: Any
) -> PolicyDecision:
    return evaluate(tool, given, defaults=stance, rules=rules, is_trusted=trusted)


@pytest.mark.parametrize(
    ("effect", "risk", "answer"),
    [
        ("read", "high", "allow"),
        ("read", "low", "allow"),
        ("once", "low", "allow"),
        ("once", "medium", "ask"),
        ("idempotent", "high", "ask"),
        ("verifiable", "high", "ask"),
    ],
)
def test_tool_defaults_apply_without_a_rule(effect: str, risk: str, answer: str) -> None:
    found = verdict(stance=ToolDefaults.model_validate({"effect": effect, "risk": risk, "ask": OWN}))
    assert (found.answer, found.rule) == (answer, "push's own default")
    assert found.ask == (OWN if answer == "ask" else None)


def test_first_matching_rule_decides() -> None:
    first, second = Rule(name="first", tool="push", deny="closed"), Rule(name="second", tool="push")
    assert verdict(first, second) == PolicyDecision(answer="deny", rule="first", reason="closed")
    assert verdict(second, first) == PolicyDecision(answer="allow", rule="second")


def test_rule_with_deny_and_ask_denies() -> None:
    assert verdict(Rule(name="both", tool="*", ask=OWN, deny="closed")).answer == "deny"


def test_star_matches_every_tool_and_a_name_only_that_tool() -> None:
    assert verdict(Rule(name="all", tool="*", deny="closed")).rule == "all"
    assert verdict(Rule(name="other", tool="pus", deny="closed")).rule == "push's own default"
    assert verdict(Rule(name="other", tool="push*", deny="closed")).rule == "push's own default"


@pytest.mark.parametrize("trusted", [True, False])
def test_unknown_tool_is_denied_despite_the_rules(trusted: bool) -> None:
    found = verdict(Rule(name="all", tool="*"), stance=None, tool="dig", trusted=trusted)
    assert found == PolicyDecision(answer="deny", rule="unknown tool", reason="there is no tool dig")


@pytest.mark.parametrize(
    ("wanted", "given", "matches"),
    [
        ("production", "production", True),
        ("production", "Production", False),
        ("production", "production ", False),
        ("1", 1, False),
        (1, "1", False),
        (True, True, True),
        (True, 1, False),
        (1, True, False),
        (0, False, False),
        (False, 0, False),
        (False, None, False),
        ("", None, False),
        (1, 1, True),
        (1, 1.0, True),  # JSON has one kind of number
        (2.5, 2.5, True),
        ([1, 2], [1, 2], True),
        ([1, 2], [2, 1], False),
        ({"a": 1}, {"a": 1}, True),
        ({"a": 1}, {"a": 1, "b": 2}, False),
    ],
)
def test_when_compares_values_by_json_types(wanted: Any, given: Any, matches: bool) -> None:
    found = verdict(Rule(name="when", tool="push", when={"value": wanted}, deny="no"), value=given)
    assert (found.rule == "when") is matches


def test_when_needs_every_named_argument() -> None:
    rule = Rule(name="when", tool="push", when={"a": 1, "b": None}, deny="no")
    assert verdict(rule, a=1, b=None).answer == "deny"
    assert verdict(rule, a=1).answer == "ask"
    assert verdict(rule, b=None).answer == "ask"


@pytest.mark.parametrize(
    ("stance", "answer", "rule"),
    [
        (MILD, "ask", "push's own default, untrusted content"),
        (RISKY, "ask", "push's own default"),
        (READ, "allow", "push's own default"),
    ],
)
def test_untrusted_content_makes_write_calls_ask(stance: ToolDefaults, answer: str, rule: str) -> None:
    found = verdict(stance=stance, trusted=False)
    assert (found.answer, found.rule) == (answer, rule)


def test_allowed_call_asks_on_tool_terms_if_content_is_untrusted() -> None:
    found = verdict(Rule(name="free", tool="push"), trusted=False)
    assert found == PolicyDecision(answer="ask", rule="free, untrusted content", ask=OWN)


@given(names, arguments, st.none() | stances, st.lists(rules, max_size=4))
def test_untrusted_content_never_relaxes_a_decision(tool, given, stance, rules) -> None:
    trusted = evaluate(tool, given, defaults=stance, rules=rules, is_trusted=True)
    untrusted = evaluate(tool, given, defaults=stance, rules=rules, is_trusted=False)
    assert RANK[untrusted.answer] >= RANK[trusted.answer]
    if trusted.answer != "allow":
        assert untrusted == trusted


@given(names, arguments, stances, st.lists(rules, max_size=4), rules)
def test_rule_after_a_matching_rule_has_no_effect(tool, given, stance, rules, last) -> None:
    before = evaluate(tool, given, defaults=stance, rules=rules, is_trusted=True)
    with_one_more = evaluate(tool, given, defaults=stance, rules=[*rules, last], is_trusted=True)
    if before.rule != f"{tool}'s own default":
        assert with_one_more == before


@given(names, arguments, stances, st.lists(rules, max_size=4), st.booleans())
def test_only_ask_decisions_have_terms(tool, given, stance, rules, trusted) -> None:
    found = evaluate(tool, given, defaults=stance, rules=rules, is_trusted=trusted)
    assert (found.ask is not None) == (found.answer == "ask")


@given(st.lists(rules, max_size=4), arguments, st.booleans())
def test_unknown_tool_is_denied_by_any_policy(rules, given, trusted) -> None:
    policy = Policy(rules=tuple(rules), people=PEOPLE, allow_self_approval=True)
    assert policy.evaluate("push", given, defaults=None, is_trusted=trusted).answer == "deny"


def test_self_approval_applies_only_to_tool_defaults() -> None:
    house = Policy(rules=(Rule(name="far", tool="push", when={"where": "far"}, ask=OWN),), allow_self_approval=True)
    near = house.evaluate("push", {"where": "near"}, defaults=RISKY)
    far = house.evaluate("push", {"where": "far"}, defaults=RISKY)
    assert near.ask == OWN.model_copy(update={"requester_may_approve": True})
    assert far.ask == OWN


def test_self_approval_is_off_by_default() -> None:
    assert Policy().evaluate("push", {}, defaults=RISKY).ask == OWN


@given(names, arguments, stances, st.lists(rules, max_size=4), st.booleans())
def test_self_approval_does_not_change_the_decision(tool, given, stance, rules, trusted) -> None:
    def found(own: bool) -> PolicyDecision:
        policy = Policy(rules=tuple(rules), allow_self_approval=own)
        return policy.evaluate(tool, given, defaults=stance, is_trusted=trusted)

    one, many = found(own=True), found(own=False)
    assert (one.answer, one.rule, one.reason) == (many.answer, many.rule, many.reason)
    if one.ask is not None and many.ask is not None:
        assert one.ask.model_copy(update={"requester_may_approve": many.ask.requester_may_approve}) == many.ask


@pytest.mark.parametrize("who", PEOPLE.members, ids=lambda p: p.key)
def test_empty_terms_allow_no_approver(who) -> None:
    assert not may_decide(who, ApprovalTerms())
    assert not may_decide(who.model_copy(update={"roles": ("*",)}), ApprovalTerms())


@pytest.mark.parametrize(
    ("ask", "keys"),
    [
        (ApprovalTerms(roles=("release",)), ["bob", "carol"]),
        (ApprovalTerms(roles=("*",)), ["alice", "bob", "carol"]),
        (ApprovalTerms(people=("alice",)), ["alice"]),
        (ApprovalTerms(people=("alice",), roles=("oncall",)), ["alice", "carol"]),
        (ApprovalTerms(people=("*",)), []),
        (ApprovalTerms(roles=("Release",)), []),
    ],
)
def test_terms_name_people_and_roles(ask: ApprovalTerms, keys: list[str]) -> None:
    assert [p.key for p in PEOPLE.members if may_decide(p, ask)] == keys


@pytest.mark.parametrize("quorum", [0, -1])
def test_quorum_of_zero_is_rejected(quorum: int) -> None:
    with pytest.raises(ValidationError, match="greater than or equal to 1"):
        ApprovalTerms(roles=("release",), quorum=quorum)


def test_reminders_and_escalations_are_sorted_by_time() -> None:
    late, soon = (
        EscalationStep(after=900, to=Address("role:oncall")),
        EscalationStep(after=60, to=Address("person:bob")),
    )
    ask = ApprovalTerms(remind=(600, 300), escalate=(late, soon))
    assert (ask.remind, ask.escalate) == ((300, 600), (soon, late))


def test_default_terms_are_strict() -> None:
    ask = ApprovalTerms()
    assert (ask.quorum, ask.requester_may_approve, ask.min_assurance) == (1, False, Assurance.MEDIUM)
    assert (ask.expires, ask.on_expire) == (1800, "deny")
