"""Tests of the search for shadowed rules."""

from hypothesis import given
from hypothesis import strategies as st

from agents.core.policy import ApprovalTerms, Rule, ToolDefaults, evaluate
from agents.registry import load_registry
from bot.config.file.conditions import find_shadowed_rules

ARGUMENT_MODELS = load_registry().argument_models

PRODUCTION = {"environment": "production"}


def build_rules(*definitions: tuple[str, dict]) -> list[Rule]:
    return [Rule(name=str(n), tool=tool, when=when, deny="no") for n, (tool, when) in enumerate(definitions)]


def find_shadowed(*definitions: tuple[str, dict]) -> dict:
    return dict(find_shadowed_rules(build_rules(*definitions), ARGUMENT_MODELS))


def test_rule_after_an_unconditional_one_is_shadowed() -> None:
    assert find_shadowed(("roll_back", {}), ("roll_back", PRODUCTION)) == {1: (0,)}
    assert find_shadowed(("*", {}), ("roll_back", PRODUCTION)) == {1: (0,)}


def test_rule_after_one_with_fewer_conditions_is_shadowed() -> None:
    assert find_shadowed(("roll_back", PRODUCTION), ("roll_back", {**PRODUCTION, "tag": "v1"})) == {1: (0,)}


def test_rule_before_a_more_general_one_applies() -> None:
    assert find_shadowed(("roll_back", PRODUCTION), ("roll_back", {})) == {}
    assert find_shadowed(("roll_back", PRODUCTION), ("roll_back", {"environment": "staging"})) == {}
    assert find_shadowed(("roll_back", {}), ("*", {})) == {}


def test_rule_for_all_tools_after_rules_for_each_is_shadowed() -> None:
    tool_rules = [(tool, PRODUCTION) for tool in ("current_release", "push_release_tag", "roll_back")]
    assert find_shadowed(*tool_rules, ("*", PRODUCTION)) == {3: (0, 1, 2)}
    assert find_shadowed(*tool_rules[1:], ("*", PRODUCTION)) == {}


CALLS = [
    {"tool": "roll_back", "arguments": {"environment": environment, "tag": tag}}
    for environment in ("production", "staging")
    for tag in ("v1", "v2")
] + [{"tool": "list_tags", "arguments": {"limit": limit}} for limit in (1, 2)]
CONDITIONS = st.sampled_from([
    ("roll_back", {}),
    ("roll_back", PRODUCTION),
    ("roll_back", {"tag": "v1"}),
    ("roll_back", {**PRODUCTION, "tag": "v1"}),
    ("list_tags", {}),
    ("list_tags", {"limit": 1.0}),
    ("list_tags", {"limit": 1}),
    ("*", PRODUCTION),
    ("*", {}),
])  # fmt: skip


@given(st.lists(CONDITIONS, max_size=5))
def test_shadowed_rule_applies_to_no_call(definitions: list[tuple[str, dict]]) -> None:
    defaults = ToolDefaults(effect="read", risk="low", ask=ApprovalTerms())
    applied_rules = {
        evaluate(**call, defaults=defaults, rules=build_rules(*definitions), is_trusted=True).rule for call in CALLS
    }
    assert applied_rules.isdisjoint(map(str, find_shadowed(*definitions)))
