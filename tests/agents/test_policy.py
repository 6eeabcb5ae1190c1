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
def test_without_a_rule_the_tool_speaks_for_itself(effect: str, risk: str, answer: str) -> None:
    found = verdict(stance=ToolDefaults.model_validate({"effect": effect, "risk": risk, "ask": OWN}))
    assert (found.answer, found.rule) == (answer, "push's own default")
    assert found.ask == (OWN if answer == "ask" else None)


def test_the_first_rule_that_matches_decides() -> None:
    first, second = Rule(name="first", tool="push", deny="closed"), Rule(name="second", tool="push")
    assert verdict(first, second) == PolicyDecision(answer="deny", rule="first", reason="closed")
    assert verdict(second, first) == PolicyDecision(answer="allow", rule="second")


def test_a_rule_that_denies_and_asks_denies() -> None:
    assert verdict(Rule(name="both", tool="*", ask=OWN, deny="closed")).answer == "deny"


def test_a_star_speaks_of_every_tool_and_a_name_only_of_that_tool() -> None:
    assert verdict(Rule(name="all", tool="*", deny="closed")).rule == "all"
    assert verdict(Rule(name="other", tool="pus", deny="closed")).rule == "push's own default"
    assert verdict(Rule(name="other", tool="push*", deny="closed")).rule == "push's own default"


@pytest.mark.parametrize("trusted", [True, False])
def test_a_tool_nobody_knows_is_denied_whatever_the_rules_say(trusted: bool) -> None:
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
def test_when_compares_values_as_json_does_with_their_types(wanted: Any, given: Any, matches: bool) -> None:
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
def test_untrusted_content_makes_whatever_does_something_ask(stance: ToolDefaults, answer: str, rule: str) -> None:
    found = verdict(stance=stance, trusted=False)
    assert (found.answer, found.rule) == (answer, rule)


def test_a_rule_that_allows_asks_on_the_tools_own_terms_once_content_is_untrusted() -> None:
    found = verdict(Rule(name="free", tool="push"), trusted=False)
    assert found == PolicyDecision(answer="ask", rule="free, untrusted content", ask=OWN)


@given(names, arguments, st.none() | stances, st.lists(rules, max_size=4))
def test_untrusted_content_can_only_raise_an_answer(tool, given, stance, rules) -> None:
    trusted = evaluate(tool, given, defaults=stance, rules=rules, is_trusted=True)
    untrusted = evaluate(tool, given, defaults=stance, rules=rules, is_trusted=False)
    assert RANK[untrusted.answer] >= RANK[trusted.answer]
    if trusted.answer != "allow":
        assert untrusted == trusted


@given(names, arguments, stances, st.lists(rules, max_size=4), rules)
def test_a_rule_behind_one_that_matches_changes_nothing(tool, given, stance, rules, last) -> None:
    before = evaluate(tool, given, defaults=stance, rules=rules, is_trusted=True)
    with_one_more = evaluate(tool, given, defaults=stance, rules=[*rules, last], is_trusted=True)
    if before.rule != f"{tool}'s own default":
        assert with_one_more == before


@given(names, arguments, stances, st.lists(rules, max_size=4), st.booleans())
def test_an_ask_always_comes_with_terms_and_nothing_else_does(tool, given, stance, rules, trusted) -> None:
    found = evaluate(tool, given, defaults=stance, rules=rules, is_trusted=trusted)
    assert (found.ask is not None) == (found.answer == "ask")


@given(st.lists(rules, max_size=4), arguments, st.booleans())
def test_an_unknown_tool_is_denied_by_any_policy(rules, given, trusted) -> None:
    policy = Policy(rules=tuple(rules), people=PEOPLE, allow_self_approval=True)
    assert policy.evaluate("push", given, defaults=None, is_trusted=trusted).answer == "deny"


def test_own_requests_let_the_requester_approve_the_tools_own_default_only() -> None:
    house = Policy(rules=(Rule(name="far", tool="push", when={"where": "far"}, ask=OWN),), allow_self_approval=True)
    near = house.evaluate("push", {"where": "near"}, defaults=RISKY)
    far = house.evaluate("push", {"where": "far"}, defaults=RISKY)
    assert near.ask == OWN.model_copy(update={"requester_may_approve": True})
    assert far.ask == OWN


def test_in_a_house_of_many_nobody_approves_their_own_requests_by_default() -> None:
    assert Policy().evaluate("push", {}, defaults=RISKY).ask == OWN


@given(names, arguments, stances, st.lists(rules, max_size=4), st.booleans())
def test_own_requests_change_who_may_approve_and_never_what_is_answered(tool, given, stance, rules, trusted) -> None:
    def found(own: bool) -> PolicyDecision:
        policy = Policy(rules=tuple(rules), allow_self_approval=own)
        return policy.evaluate(tool, given, defaults=stance, is_trusted=trusted)

    one, many = found(own=True), found(own=False)
    assert (one.answer, one.rule, one.reason) == (many.answer, many.rule, many.reason)
    if one.ask is not None and many.ask is not None:
        assert one.ask.model_copy(update={"requester_may_approve": many.ask.requester_may_approve}) == many.ask


@pytest.mark.parametrize("who", PEOPLE.members, ids=lambda p: p.key)
def test_an_empty_list_of_approvers_is_nobody(who) -> None:
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
def test_the_terms_name_people_and_roles(ask: ApprovalTerms, keys: list[str]) -> None:
    assert [p.key for p in PEOPLE.members if may_decide(p, ask)] == keys


@pytest.mark.parametrize("quorum", [0, -1])
def test_a_quorum_of_nobody_is_refused(quorum: int) -> None:
    with pytest.raises(ValidationError, match="greater than or equal to 1"):
        ApprovalTerms(roles=("release",), quorum=quorum)


def test_reminders_and_escalations_stand_in_the_order_of_their_times() -> None:
    late, soon = (
        EscalationStep(after=900, to=Address("role:oncall")),
        EscalationStep(after=60, to=Address("person:bob")),
    )
    ask = ApprovalTerms(remind=(600, 300), escalate=(late, soon))
    assert (ask.remind, ask.escalate) == ((300, 600), (soon, late))


def test_the_strict_terms_are_those_nobody_had_to_write() -> None:
    ask = ApprovalTerms()
    assert (ask.quorum, ask.requester_may_approve, ask.min_assurance) == (1, False, Assurance.MEDIUM)
    assert (ask.expires, ask.on_expire) == (1800, "deny")
