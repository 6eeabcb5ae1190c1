"""The schema a model answers in: the strict dialect of JSON schema that providers of structured output enforce.

What strict mode refuses is refused or rewritten here (platform.openai.com/docs/guides/structured-outputs): one bad tool
makes a provider reject the whole call. Our limits are tighter than OpenAI's, because compatible servers stop earlier.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from pydantic import BaseModel

from agents.arguments import json_schema
from agents.errors import ConfigurationError
from agents.steps import AskAgent, Await, DoneForNow, NothingToDo, RequestHumanInput
from agents.tools import Tool

MAX_LEVELS = 5
MAX_PROPERTIES = 100
MAX_ENUM_VALUES = 250

BuiltInStep = RequestHumanInput | DoneForNow | NothingToDo | Await | AskAgent
BUILT_IN_STEPS: Mapping[str, type[BuiltInStep]] = {
    "request_human_input": RequestHumanInput,
    "done_for_now": DoneForNow,
    "nothing_to_do": NothingToDo,
    "await": Await,
}
"""The steps every agent may choose, by the name a model writes."""

ASK_AGENT_INTENT = "ask_agent"
"""The step of those that may ask another agent."""

LEGACY_INTENTS = frozenset({"request_more_information", "request_clarification"})
"""Understood as `request_human_input` (CONTRACT §5)."""

RESERVED_TOOL_NAMES = frozenset({*BUILT_IN_STEPS, ASK_AGENT_INTENT, *LEGACY_INTENTS})
"""What no tool can be called."""

_KEPT_KEYWORDS = frozenset({"type", "description", "enum", "pattern", "format"})
_BOUND_PHRASES = {
    "minimum": "at least {}", "exclusiveMinimum": "more than {}", "maximum": "at most {}",
    "exclusiveMaximum": "less than {}", "multipleOf": "a multiple of {}", "minLength": "{} or more characters",
    "maxLength": "{} or fewer characters", "minItems": "{} or more items", "maxItems": "{} or fewer items",
}  # fmt: skip
"""Told in words: some providers refuse a whole schema for one of them (Anthropic's structured output)."""

_UNSUPPORTED_KEYWORDS = frozenset({
    "allOf", "not", "if", "then", "else", "prefixItems", "patternProperties", "propertyNames", "dependentRequired",
    "dependentSchemas", "unevaluatedProperties", "contains",
})  # fmt: skip
_SUPPORTED_FORMATS = frozenset({"date-time", "date", "time", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"})
_LOOKAROUND = re.compile(r"\(\?<?[=!]")
_NULL_SCHEMA = {"type": "null"}


@lru_cache(maxsize=64)
def output_schema(tools: tuple[Tool, ...], delegates: tuple[str, ...] = ()) -> dict[str, Any]:
    """The object an agent with these tools answers in: `reasoning`, then one `step`. Shared, so do not change it.

    `asks` are the agents it may ask. Raises Misconfigured, naming the tool, for what cannot be said in strict mode.
    """
    _check_no_name_clash(tools)
    chosen = [_step_schema(tool.name, strict_schema(tool.arguments)) for tool in tools]
    chosen += [_step_schema(intent, strict_schema(model)) for intent, model in BUILT_IN_STEPS.items()]
    chosen += [_ask_agent_schema(delegates)] if delegates else []
    schema = _object_schema({"reasoning": {"type": "string"}, "step": {"anyOf": chosen}})
    _check_size(schema, "all tools together")
    return schema


def built_in_steps(delegates: tuple[str, ...]) -> Mapping[str, type[BuiltInStep]]:
    """The steps that are no tools, for an agent that may ask these others."""
    return {**BUILT_IN_STEPS, ASK_AGENT_INTENT: AskAgent} if delegates else BUILT_IN_STEPS


def strict_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The model's schema in strict mode: every object closed, every property required, optional ones nullable.

    Raises Misconfigured, naming the place, for open objects, roots that are no object, untyped values, a model within
    itself, and for more than MOST_LEVELS, MOST_PROPERTIES or MOST_CHOICES.
    """
    whole = json_schema(model)
    strict = _to_strict(whole, _SchemaPath(model.__name__, whole.get("$defs", {})))
    if strict.get("type") != "object":
        raise ConfigurationError(
            f"{model.__name__}: the outermost value must be an object, not a choice or a plain value"
        )
    _check_size(strict, model.__name__)
    return strict


@dataclass(frozen=True)
class _SchemaPath:
    """Where in a schema we are: `path` for messages, `within` for the definitions that are being written out."""

    path: str
    definitions: Mapping[str, Any]
    open_references: tuple[str, ...] = ()

    def child(self, name: str) -> "_SchemaPath":
        return replace(self, path=f"{self.path}.{name}")


def _to_strict(schema: dict[str, Any], path: _SchemaPath) -> dict[str, Any]:
    if "$ref" in schema:
        return _inline_reference(schema, path)
    if refused := sorted(_UNSUPPORTED_KEYWORDS & schema.keys()):
        raise ConfigurationError(f"{path.path}: a model cannot be held to {', '.join(refused)}; use a simpler type")
    kept = {key: value for key, value in schema.items() if key in _KEPT_KEYWORDS and not _is_unsupported(key, value)}
    kept |= {"enum": [schema["const"]]} if "const" in schema else {}  # not every provider knows `const`
    if (bounds := _describe_bounds(schema)) and "type" in schema:
        kept["description"] = " ".join(filter(None, [kept.get("description", ""), bounds]))
    if variants := schema.get("anyOf") or schema.get("oneOf"):
        return {**kept, "anyOf": [_to_strict(variant, path) for variant in variants]}
    if schema.get("type") == "object":
        return {**kept, **_close_object(schema, path)}
    if schema.get("type") == "array":
        return {**kept, "items": _to_strict(schema.get("items", {}), path.child("items"))}
    if not {"type", "enum", "const"} & schema.keys():
        raise ConfigurationError(f"{path.path}: this may be anything; give it a type")
    return kept


def _describe_bounds(schema: dict[str, Any]) -> str:
    told = [words.format(schema[name]) for name, words in _BOUND_PHRASES.items() if name in schema]
    return f"({', '.join(told)})" if told else ""


def _is_unsupported(key: str, value: Any) -> bool:
    """What strict mode does not know is left to our own validation."""
    return (key == "format" and value not in _SUPPORTED_FORMATS) or (
        key == "pattern" and bool(_LOOKAROUND.search(value))
    )


def _inline_reference(schema: dict[str, Any], path: _SchemaPath) -> dict[str, Any]:
    """The definition in place of its reference: strict mode allows nothing beside a `$ref`."""
    name = schema["$ref"].removeprefix("#/$defs/")
    if name in path.open_references:
        raise ConfigurationError(
            f"{path.path}: {name} contains itself; a model cannot be held to that within our limits"
        )
    beside = {key: value for key, value in schema.items() if key != "$ref"}
    return _to_strict(
        {**path.definitions[name], **beside}, replace(path, open_references=(*path.open_references, name))
    )


def _close_object(schema: dict[str, Any], path: _SchemaPath) -> dict[str, Any]:
    if schema.get("additionalProperties", False) is not False or "properties" not in schema:
        raise ConfigurationError(f"{path.path}: an object with any keys; use a list of pairs instead")
    required = schema.get("required", [])
    return _object_schema(
        {
            name: _to_strict(value, path.child(name)) if name in required else _make_nullable(value, path.child(name))
            for name, value in schema["properties"].items()
        }
    )


def _object_schema(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _make_nullable(schema: dict[str, Any], path: _SchemaPath) -> dict[str, Any]:
    """An optional value: strict mode has no optional properties, so null stands for the default, which is told."""
    strict = _to_strict(schema, path)
    told = [strict.pop("description", ""), _describe_default(schema.get("default"))]
    variants = strict.get("anyOf", [strict])
    described = {"description": " ".join(filter(None, told))} if any(told) else {}
    return {**described, "anyOf": variants if _NULL_SCHEMA in variants else [*variants, _NULL_SCHEMA]}


def _describe_default(default: Any) -> str:
    return "" if default is None else f"(null means {json.dumps(default, ensure_ascii=False)})"


def _step_schema(intent: str, schema: dict[str, Any]) -> dict[str, Any]:
    """One step: `intent` comes first and tells the variants apart, also where a server looks at the first key only."""
    others = {name: value for name, value in schema["properties"].items() if name != "intent"}
    return {**schema, **_object_schema({"intent": {"type": "string", "enum": [intent]}, **others})}


def _ask_agent_schema(delegates: tuple[str, ...]) -> dict[str, Any]:
    """Only those it may ask can be named."""
    schema = strict_schema(AskAgent)
    named = {**schema["properties"], "agent": {"type": "string", "enum": list(delegates)}}
    return _step_schema(ASK_AGENT_INTENT, {**schema, "properties": named})


def _check_no_name_clash(tools: tuple[Tool, ...]) -> None:
    names = [tool.name for tool in tools]
    for tool in tools:
        if tool.name in RESERVED_TOOL_NAMES or names.count(tool.name) > 1:
            raise ConfigurationError(f"{tool.name}: this name is taken; call the tool something else")
        if "intent" in tool.arguments.model_fields:
            raise ConfigurationError(f"{tool.name}: no argument can be called intent; call it something else")


def _check_size(schema: dict[str, Any], path: str) -> None:
    nodes = list(_iterate_nodes(schema))
    counted = {
        f"more than {MAX_LEVELS} levels": max(level for level, _ in nodes) > MAX_LEVELS,
        f"more than {MAX_PROPERTIES} properties": _count_in_nodes(nodes, "properties") > MAX_PROPERTIES,
        f"more than {MAX_ENUM_VALUES} choices": _count_in_nodes(nodes, "enum") > MAX_ENUM_VALUES,
    }
    for excess in (what for what, exceeded in counted.items() if exceeded):
        raise ConfigurationError(f"{path}: {excess}; make the arguments simpler")


def _count_in_nodes(nodes: list[tuple[int, dict[str, Any]]], key: str) -> int:
    return sum(len(node.get(key, ())) for _, node in nodes)


def _iterate_nodes(schema: dict[str, Any], parent_level: int = 0) -> Iterator[tuple[int, dict[str, Any]]]:
    """Every part of a strict schema with its level: objects and arrays are levels, choices between them are not."""
    level = parent_level + (schema.get("type") in ("object", "array"))
    yield level, schema
    for part in (*schema.get("properties", {}).values(), *schema.get("anyOf", ())):
        yield from _iterate_nodes(part, level)
    if "items" in schema:
        yield from _iterate_nodes(schema["items"], level)
