"""Conditions of rules (`when`): whether a tool can ever be called with the value that an argument is compared with.

A value can match when the parameter of the tool accepts it and gives it back unchanged, or when it is the parameter's
default. A validator that rewrites values must therefore be idempotent, as `canonical` in `agents/deploy/names.py` is.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError, create_model
from pydantic.errors import PydanticUserError

from agents.arguments import canonical
from agents.errors import InvalidArguments, ToolError
from agents.policy import is_same_value
from agents.tools import ConditionCheck
from bot.mistakes import suggestion, wording, written_value

ANY_TOOL = "*"


Signatures = Mapping[str, type[BaseModel]]
"""The models of the arguments of all tools, by the tools' names."""


def find_impossible(tool: str, when: Mapping[str, Any], signatures: Signatures) -> dict[str, str]:
    """Return why a rule can never match, by argument; empty when some call of the tool matches all of `when`."""
    if tool != ANY_TOOL:
        return _find_in(tool, when, signatures[tool])
    found = {name: _find_in(name, when, arguments) for name, arguments in signatures.items()}
    if not all(found.values()):
        return {}
    reasons = {argument: _reason_for_all(argument, found, signatures) for argument in when}
    impossible = {argument: reason for argument, reason in reasons.items() if reason}
    return impossible or dict.fromkeys(list(when)[:1], "can never match: no tool takes all of these values together")


def find_matching_tools(tool: str, when: Mapping[str, Any], signatures: Signatures) -> frozenset[str]:
    """Return the tools of which some call matches the rule."""
    names = signatures if tool == ANY_TOOL else (tool,)
    return frozenset(name for name in names if not _find_in(name, when, signatures[name]))


def _find_in(tool: str, when: Mapping[str, Any], arguments: type[BaseModel]) -> dict[str, str]:
    reasons = {argument: _reason(tool, arguments, argument, value) for argument, value in when.items()}
    return {argument: reason for argument, reason in reasons.items() if reason}


def _reason_for_all(argument: str, found: Mapping[str, Mapping[str, str]], signatures: Signatures) -> str | None:
    """Return why no tool at all can have the value, or None when one can."""
    owners = [name for name, arguments in signatures.items() if argument in arguments.model_fields]
    if not owners:
        known = {field for arguments in signatures.values() for field in arguments.model_fields}
        return f"can never match: no tool has this argument; {suggestion(argument, known)}"
    if all(argument in found[name] for name in owners):
        return found[owners[0]][argument]
    return None


def _reason(tool: str, arguments: type[BaseModel], argument: str, value: Any) -> str | None:
    fields = arguments.model_fields
    if argument not in fields:
        return f"can never match: {tool} has no such argument; {suggestion(argument, fields)}"
    try:
        reason = _mismatch(arguments, argument, value)
    except ValidationError as error:
        reason = wording(error.errors(include_url=False)[0])
    except (InvalidArguments, ToolError) as error:
        reason = str(error)
    return reason and f"can never match a call of {tool}: {reason}"


def _mismatch(arguments: type[BaseModel], argument: str, value: Any) -> str | None:
    """Return how the value differs from what a call holds. Raises what `canonical` does, and ToolError."""
    one = _model_of(arguments, argument)
    if any(is_same_value(default, value) for default in _default(one, argument)):
        return None
    held = canonical(one, {argument: value})[argument]
    choices = _choices(arguments, argument)
    if choices is not None and not any(is_same_value(choice, held) for choice in choices):
        known = [str(choice) for choice in choices]
        return f"{suggestion(str(value), known)} (found {written_value(value)})"
    if not is_same_value(held, value):
        return f"{written_value(value)} is turned into {written_value(held)}; write that"
    for check in (extra for extra in one.model_fields[argument].metadata if isinstance(extra, ConditionCheck)):
        check.refuse(value)
    return None


def _model_of(arguments: type[BaseModel], argument: str) -> type[BaseModel]:
    """Return a model of this argument alone, so that the others need no values."""
    field = arguments.model_fields[argument]
    fields: dict[str, Any] = {argument: (field.annotation, field)}
    return create_model("Condition", __config__=arguments.model_config, **fields)


def _default(one: type[BaseModel], argument: str) -> Iterator[Any]:
    if not one.model_fields[argument].is_required():
        yield canonical(one, {})[argument]


def _choices(arguments: type[BaseModel], argument: str) -> list[Any] | None:
    """Return the values the schema lists, also where only the schema does and not the type; None for any value."""
    try:
        schema = arguments.model_json_schema()
    except PydanticUserError:
        return None  # a parameter no schema can describe is a mistake of the agent, and is reported as one
    return _listed(schema["properties"][argument], schema.get("$defs", {}))


def _listed(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> list[Any] | None:
    if "$ref" in schema:
        return _listed(definitions[schema["$ref"].removeprefix("#/$defs/")], definitions)
    if "enum" in schema:
        return list(schema["enum"])
    if "const" in schema:
        return [schema["const"]]
    if variants := schema.get("anyOf") or schema.get("oneOf"):
        lists = [_listed(variant, definitions) for variant in variants]
        return None if None in lists else [value for values in lists for value in values or ()]
    return [] if schema.get("type") == "null" else None
