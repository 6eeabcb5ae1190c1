"""Conditions of rules (`when`): check whether a tool can ever be called with the value of a condition.

A value can match if the tool accepts it unchanged as the argument, or if it is the argument's default. A validator that
normalizes values must therefore be idempotent, as those in `agents/deploy/releases.py` are.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError, create_model
from pydantic.errors import PydanticUserError

from agents.core.arguments import to_canonical_arguments
from agents.core.errors import InvalidArguments, ToolError
from agents.core.policy import Rule, is_same_value
from agents.core.tools import RuleValueCheck
from bot.config.messages import describe_error, format_value, suggest_name

ANY_TOOL = "*"


ArgumentModels = Mapping[str, type[BaseModel]]
"""Argument models of all tools, by the names of the tools."""


def find_impossible_conditions(tool: str, when: Mapping[str, Any], argument_models: ArgumentModels) -> dict[str, str]:
    """Return why a rule can never match, by argument; empty if a call of the tool can match all of `when`.

    Nothing is known about a tool without an argument model, which belongs to an agent that could not be imported.
    """
    if tool != ANY_TOOL and tool not in argument_models:
        return {}
    if tool != ANY_TOOL:
        return _find_impossible_for_tool(tool, when, argument_models[tool])
    reasons_by_tool = {name: _find_impossible_for_tool(name, when, model) for name, model in argument_models.items()}
    if not all(reasons_by_tool.values()):
        return {}
    reasons = {argument: _reason_for_all_tools(argument, reasons_by_tool, argument_models) for argument in when}
    impossible = {argument: reason for argument, reason in reasons.items() if reason}
    return impossible or dict.fromkeys(list(when)[:1], "can never match: no tool takes all of these values together")


def find_matching_tools(tool: str, when: Mapping[str, Any], argument_models: ArgumentModels) -> frozenset[str]:
    """Return the tools with calls that the rule can match."""
    names = argument_models if tool == ANY_TOOL else {tool} & argument_models.keys()
    return frozenset(name for name in names if not _find_impossible_for_tool(name, when, argument_models[name]))


def _find_impossible_for_tool(tool: str, when: Mapping[str, Any], argument_model: type[BaseModel]) -> dict[str, str]:
    reasons = {argument: _impossible_reason(tool, argument_model, argument, value) for argument, value in when.items()}
    return {argument: reason for argument, reason in reasons.items() if reason}


def _reason_for_all_tools(
    argument: str, reasons_by_tool: Mapping[str, Mapping[str, str]], argument_models: ArgumentModels
) -> str | None:
    """Return why no tool accepts the value, or None if one does."""
    tools = [name for name, model in argument_models.items() if argument in model.model_fields]
    if not tools:
        known = {name for model in argument_models.values() for name in model.model_fields}
        return f"can never match: no tool has this argument; {suggest_name(argument, known)}"
    if all(argument in reasons_by_tool[name] for name in tools):
        return reasons_by_tool[tools[0]][argument]
    return None


def _impossible_reason(tool: str, argument_model: type[BaseModel], argument: str, value: Any) -> str | None:
    fields = argument_model.model_fields
    if argument not in fields:
        return f"can never match: {tool} has no such argument; {suggest_name(argument, fields)}"
    try:
        reason = _describe_mismatch(argument_model, argument, value)
    except ValidationError as error:
        reason = describe_error(error.errors(include_url=False)[0])
    except (InvalidArguments, ToolError) as error:
        reason = str(error)
    return reason and f"can never match a call of {tool}: {reason}"


def _describe_mismatch(argument_model: type[BaseModel], argument: str, value: Any) -> str | None:
    """Return how the value differs from the argument of a call; None if it can match.

    Raises what `to_canonical_arguments` raises, and ToolError.
    """
    model = _single_argument_model(argument_model, argument)
    if any(is_same_value(default, value) for default in _default_values(model, argument)):
        return None
    canonical = to_canonical_arguments(model, {argument: value})[argument]
    choices = _list_choices(argument_model, argument)
    if choices is not None and not any(is_same_value(choice, canonical) for choice in choices):
        known = [str(choice) for choice in choices]
        return f"{suggest_name(str(value), known)} (found {format_value(value)})"
    if not is_same_value(canonical, value):
        return f"{format_value(value)} is normalized to {format_value(canonical)}; write {format_value(canonical)}"
    for check in (item for item in model.model_fields[argument].metadata if isinstance(item, RuleValueCheck)):
        check.check(value)
    return None


def _single_argument_model(argument_model: type[BaseModel], argument: str) -> type[BaseModel]:
    """Return a model with this argument only, so that the other arguments need no values."""
    field = argument_model.model_fields[argument]
    fields: dict[str, Any] = {argument: (field.annotation, field)}
    return create_model("Condition", __config__=argument_model.model_config, **fields)


def _default_values(model: type[BaseModel], argument: str) -> Iterator[Any]:
    if not model.model_fields[argument].is_required():
        yield to_canonical_arguments(model, {})[argument]


def _list_choices(argument_model: type[BaseModel], argument: str) -> list[Any] | None:
    """Return the values that the argument's JSON schema lists, or None. The argument's type may allow other values."""
    try:
        schema = argument_model.model_json_schema()
    except PydanticUserError:
        return None  # the checks of the agent report an argument that a schema cannot describe
    return _schema_choices(schema["properties"][argument], schema.get("$defs", {}))


def _schema_choices(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> list[Any] | None:
    if "$ref" in schema:
        return _schema_choices(definitions[schema["$ref"].removeprefix("#/$defs/")], definitions)
    if "enum" in schema:
        return list(schema["enum"])
    if "const" in schema:
        return [schema["const"]]
    if variants := schema.get("anyOf") or schema.get("oneOf"):
        lists = [_schema_choices(variant, definitions) for variant in variants]
        return None if None in lists else [value for values in lists for value in values or ()]
    return [] if schema.get("type") == "null" else None


def find_shadowed_rules(rules: Sequence[Rule], argument_models: ArgumentModels) -> Mapping[int, tuple[int, ...]]:
    """Return the positions of rules that never apply, each with the positions of the rules that apply instead."""
    covering = {position: _covering_rules(position, rules, argument_models) for position in range(len(rules))}
    return {position: earlier for position, earlier in covering.items() if earlier}


def _covering_rules(position: int, rules: Sequence[Rule], argument_models: ArgumentModels) -> tuple[int, ...]:
    """Return the positions of the earlier rules that apply instead of this one.

    They are empty if this rule still applies to some tool.
    """
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
