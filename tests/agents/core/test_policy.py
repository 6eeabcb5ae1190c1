"""Policy: the first matching rule decides, no person may approve by default, untrusted content never relaxes."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from agents.core.decisions import may_decide
from agents.core.messages import Assurance
from agents.core.policy import ApprovalTerms, EscalationStep, Policy, PolicyDecision, Rule, ToolDefaults, evaluate
from agents.core.values import Address
from tests.histories import PEOPLE

STRICTNESS = {"allow": 0, "ask": 1, "deny": 2}
TOOL_TERMS = ApprovalTerms(roles=("own",))
RISKY_TOOL = ToolDefaults(effect="once", risk="high", ask=TOOL_TERMS)
LOW_RISK_TOOL = ToolDefaults(effect="once", risk="low", ask=TOOL_TERMS)
READ_TOOL = ToolDefaults(effect="read", risk="high", ask=TOOL_TERMS)

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
defaults_strategy = st.builds(ToolDefaults, effect=effects, risk=st.sampled_from(["low", "medium", "high"]), ask=asks)


def evaluate_rules(
    *rules: Rule, tool: str = "push", defaults: ToolDefaults | None = RISKY_TOOL, trusted: bool = True, **given: Any
) -> PolicyDecision:
    return evaluate(tool, given, defaults=defaults, rules=rules, is_trusted=trusted)


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
    decision = evaluate_rules(defaults=ToolDefaults.model_validate({"effect": effect, "risk": risk, "ask": TOOL_TERMS}))
    assert (decision.answer, decision.rule) == (answer, "push's own default")
    assert decision.ask == (TOOL_TERMS if answer == "ask" else None)


def test_first_matching_rule_decides() -> None:
    first, second = Rule(name="first", tool="push", deny="closed"), Rule(name="second", tool="push")
    assert evaluate_rules(first, second) == PolicyDecision(answer="deny", rule="first", reason="closed")
    assert evaluate_rules(second, first) == PolicyDecision(answer="allow", rule="second")


def test_rule_with_deny_and_ask_denies() -> None:
    assert evaluate_rules(Rule(name="both", tool="*", ask=TOOL_TERMS, deny="closed")).answer == "deny"


def test_star_matches_every_tool_and_a_name_only_that_tool() -> None:
    assert evaluate_rules(Rule(name="all", tool="*", deny="closed")).rule == "all"
    assert evaluate_rules(Rule(name="other", tool="pus", deny="closed")).rule == "push's own default"
    assert evaluate_rules(Rule(name="other", tool="push*", deny="closed")).rule == "push's own default"


@pytest.mark.parametrize("trusted", [True, False])
def test_unknown_tool_is_denied_despite_the_rules(trusted: bool) -> None:
    decision = evaluate_rules(Rule(name="all", tool="*"), defaults=None, tool="dig", trusted=trusted)
    assert decision == PolicyDecision(answer="deny", rule="unknown tool", reason="there is no tool dig")


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
    decision = evaluate_rules(Rule(name="when", tool="push", when={"value": wanted}, deny="no"), value=given)
    assert (decision.rule == "when") is matches


def test_when_needs_every_named_argument() -> None:
    rule = Rule(name="when", tool="push", when={"a": 1, "b": None}, deny="no")
    assert evaluate_rules(rule, a=1, b=None).answer == "deny"
    assert evaluate_rules(rule, a=1).answer == "ask"
    assert evaluate_rules(rule, b=None).answer == "ask"


@pytest.mark.parametrize(
    ("defaults", "answer", "rule"),
    [
        (LOW_RISK_TOOL, "ask", "push's own default, untrusted content"),
        (RISKY_TOOL, "ask", "push's own default"),
        (READ_TOOL, "allow", "push's own default"),
    ],
)
def test_untrusted_content_makes_write_calls_ask(defaults: ToolDefaults, answer: str, rule: str) -> None:
    decision = evaluate_rules(defaults=defaults, trusted=False)
    assert (decision.answer, decision.rule) == (answer, rule)


def test_allowed_call_asks_on_tool_terms_if_content_is_untrusted() -> None:
    decision = evaluate_rules(Rule(name="free", tool="push"), trusted=False)
    assert decision == PolicyDecision(answer="ask", rule="free, untrusted content", ask=TOOL_TERMS)


@given(names, arguments, st.none() | defaults_strategy, st.lists(rules, max_size=4))
def test_untrusted_content_never_relaxes_a_decision(tool, given, defaults, rules) -> None:
    trusted = evaluate(tool, given, defaults=defaults, rules=rules, is_trusted=True)
    untrusted = evaluate(tool, given, defaults=defaults, rules=rules, is_trusted=False)
    assert STRICTNESS[untrusted.answer] >= STRICTNESS[trusted.answer]
    if trusted.answer != "allow":
        assert untrusted == trusted


@given(names, arguments, defaults_strategy, st.lists(rules, max_size=4), rules)
def test_rule_after_a_matching_rule_has_no_effect(tool, given, defaults, rules, last) -> None:
    before = evaluate(tool, given, defaults=defaults, rules=rules, is_trusted=True)
    with_one_more = evaluate(tool, given, defaults=defaults, rules=[*rules, last], is_trusted=True)
    if before.rule != f"{tool}'s own default":
        assert with_one_more == before


@given(names, arguments, defaults_strategy, st.lists(rules, max_size=4), st.booleans())
def test_only_ask_decisions_have_terms(tool, given, defaults, rules, trusted) -> None:
    decision = evaluate(tool, given, defaults=defaults, rules=rules, is_trusted=trusted)
    assert (decision.ask is not None) == (decision.answer == "ask")


@given(st.lists(rules, max_size=4), arguments, st.booleans())
def test_unknown_tool_is_denied_by_any_policy(rules, given, trusted) -> None:
    policy = Policy(rules=tuple(rules), people=PEOPLE, allow_self_approval=True)
    assert policy.evaluate("push", given, defaults=None, is_trusted=trusted).answer == "deny"


def test_self_approval_applies_only_to_tool_defaults() -> None:
    policy = Policy(
        rules=(Rule(name="far", tool="push", when={"where": "far"}, ask=TOOL_TERMS),), allow_self_approval=True
    )
    near = policy.evaluate("push", {"where": "near"}, defaults=RISKY_TOOL)
    far = policy.evaluate("push", {"where": "far"}, defaults=RISKY_TOOL)
    assert near.ask == TOOL_TERMS.model_copy(update={"requester_may_approve": True})
    assert far.ask == TOOL_TERMS


def test_self_approval_is_off_by_default() -> None:
    assert Policy().evaluate("push", {}, defaults=RISKY_TOOL).ask == TOOL_TERMS


@given(names, arguments, defaults_strategy, st.lists(rules, max_size=4), st.booleans())
def test_self_approval_does_not_change_the_decision(tool, given, defaults, rules, trusted) -> None:
    def evaluate_with(is_allowed: bool) -> PolicyDecision:
        policy = Policy(rules=tuple(rules), allow_self_approval=is_allowed)
        return policy.evaluate(tool, given, defaults=defaults, is_trusted=trusted)

    allowed, default = evaluate_with(is_allowed=True), evaluate_with(is_allowed=False)
    assert (allowed.answer, allowed.rule, allowed.reason) == (default.answer, default.rule, default.reason)
    if allowed.ask is not None and default.ask is not None:
        expected = default.ask.requester_may_approve
        assert allowed.ask.model_copy(update={"requester_may_approve": expected}) == default.ask


@pytest.mark.parametrize("person", PEOPLE.members, ids=lambda person: person.key)
def test_empty_terms_allow_no_approver(person) -> None:
    assert not may_decide(person, ApprovalTerms())
    assert not may_decide(person.model_copy(update={"roles": ("*",)}), ApprovalTerms())


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
