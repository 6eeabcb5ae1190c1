"""Rules that never decide are found."""

from hypothesis import given
from hypothesis import strategies as st

from agents.policy import ApprovalTerms, Rule, ToolDefaults, evaluate
from bot.config_file.shadowing import find_shadowed_rules
from bot.installation import ARGUMENT_MODELS

PRODUCTION = {"environment": "production"}


def rules(*written: tuple[str, dict]) -> list[Rule]:
    return [Rule(name=str(n), tool=tool, when=when, deny="no") for n, (tool, when) in enumerate(written)]


def shadowed(*written: tuple[str, dict]) -> dict:
    return dict(find_shadowed_rules(rules(*written), ARGUMENT_MODELS))


def test_rule_after_one_for_all_of_its_tool_never_decides() -> None:
    assert shadowed(("roll_back", {}), ("roll_back", PRODUCTION)) == {1: (0,)}
    assert shadowed(("*", {}), ("roll_back", PRODUCTION)) == {1: (0,)}


def test_rule_after_one_with_fewer_of_its_conditions_never_decides() -> None:
    assert shadowed(("roll_back", PRODUCTION), ("roll_back", {**PRODUCTION, "tag": "v1"})) == {1: (0,)}


def test_rule_before_a_more_general_one_decides() -> None:
    assert shadowed(("roll_back", PRODUCTION), ("roll_back", {})) == {}
    assert shadowed(("roll_back", PRODUCTION), ("roll_back", {"environment": "staging"})) == {}
    assert shadowed(("roll_back", {}), ("*", {})) == {}


def test_rule_for_every_tool_after_rules_for_each_of_them_never_decides() -> None:
    one_each = [(tool, PRODUCTION) for tool in ("current_release", "push_release_tag", "roll_back")]
    assert shadowed(*one_each, ("*", PRODUCTION)) == {3: (0, 1, 2)}
    assert shadowed(*one_each[1:], ("*", PRODUCTION)) == {}


CALLS = [
    {"tool": "roll_back", "arguments": {"environment": place, "tag": tag}}
    for place in ("production", "staging")
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
def test_shadowed_rule_decides_no_call(written: list[tuple[str, dict]]) -> None:
    stance = ToolDefaults(effect="read", risk="low", ask=ApprovalTerms())
    deciding = {evaluate(**call, defaults=stance, rules=rules(*written), is_trusted=True).rule for call in CALLS}
    assert deciding.isdisjoint(map(str, shadowed(*written)))
