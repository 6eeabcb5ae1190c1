"""Find shadowed rules: rules that never apply, because earlier rules match all calls that they match."""

from collections.abc import Mapping, Sequence

from agents.policy import Rule, is_same_value
from bot.config_file.conditions import ANY_TOOL, ArgumentModels, find_matching_tools


def find_shadowed_rules(rules: Sequence[Rule], argument_models: ArgumentModels) -> Mapping[int, tuple[int, ...]]:
    """Return the positions of rules that never apply, each with the positions of the rules that apply instead."""
    covering = {position: _covering_rules(position, rules, argument_models) for position in range(len(rules))}
    return {position: earlier for position, earlier in covering.items() if earlier}


def _covering_rules(position: int, rules: Sequence[Rule], argument_models: ArgumentModels) -> tuple[int, ...]:
    """Return the rules that apply to the tools of this one; none if this rule applies to a tool itself."""
    rule, earlier = rules[position], rules[:position]
    found = [
        _first_covering(rule, tool, earlier) for tool in find_matching_tools(rule.tool, rule.when, argument_models)
    ]
    covering = {index for index in found if index is not None}
    return () if None in found else tuple(sorted(covering))


def _first_covering(rule: Rule, tool: str, earlier: Sequence[Rule]) -> int | None:
    return next((index for index, other in enumerate(earlier) if _covers(other, rule, tool)), None)


def _covers(other: Rule, rule: Rule, tool: str) -> bool:
    """Return whether the other rule matches every call of the tool that this one matches."""
    if other.tool not in (tool, ANY_TOOL):
        return False
    return all(name in rule.when and is_same_value(rule.when[name], value) for name, value in other.when.items())
