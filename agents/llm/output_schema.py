"""JSON schema of a model's answer, in the strict dialect that providers of structured output enforce.

Schemas that strict mode rejects (platform.openai.com/docs/guides/structured-outputs) are rewritten or raise
ConfigurationError: one unsupported tool makes a provider reject the whole call. The limits are lower than OpenAI's,
because compatible servers have lower ones.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from pydantic import BaseModel

from agents.core.arguments import json_schema
from agents.core.errors import ConfigurationError
from agents.core.steps import ASK_AGENT_INTENT, AskAgent, Await, DoneForNow, NothingToDo, RequestHumanInput
from agents.core.tools import Tool

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
"""The steps that every agent may choose, by the intent that a model writes."""


LEGACY_INTENTS = frozenset({"request_more_information", "request_clarification"})
"""Older names of an intent, which are accepted as `request_human_input`."""

RESERVED_TOOL_NAMES = frozenset({*BUILT_IN_STEPS, ASK_AGENT_INTENT, *LEGACY_INTENTS})
"""Names that a tool cannot have."""

_KEPT_KEYWORDS = frozenset({"type", "description", "enum", "pattern", "format"})
_BOUND_PHRASES = {
    "minimum": "at least {}", "exclusiveMinimum": "more than {}", "maximum": "at most {}",
    "exclusiveMaximum": "less than {}", "multipleOf": "a multiple of {}", "minLength": "{} or more characters",
    "maxLength": "{} or fewer characters", "minItems": "{} or more items", "maxItems": "{} or fewer items",
}  # fmt: skip
"""Bounds that move to the description, because some providers (Anthropic's structured output) reject the keywords."""

_UNSUPPORTED_KEYWORDS = frozenset({
    "allOf", "not", "if", "then", "else", "prefixItems", "patternProperties", "propertyNames", "dependentRequired",
    "dependentSchemas", "unevaluatedProperties", "contains",
})  # fmt: skip
_SUPPORTED_FORMATS = frozenset({"date-time", "date", "time", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"})
_LOOKAROUND = re.compile(r"\(\?<?[=!]")
_NULL_SCHEMA = {"type": "null"}


@lru_cache(maxsize=64)
def output_schema(tools: tuple[Tool, ...], delegates: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the schema of the answers of an agent with these tools: an object with `reasoning` and one `step`.

    `delegates` are the agents that it may ask. The result is cached, so do not change it. Raises ConfigurationError,
    with the name of the tool, for types that strict mode does not support.
    """
    _check_no_name_clash(tools)
    steps = [_step_schema(tool.name, strict_schema(tool.arguments)) for tool in tools]
    steps += [_step_schema(intent, strict_schema(model)) for intent, model in BUILT_IN_STEPS.items()]
    steps += [_ask_agent_schema(delegates)] if delegates else []
    schema = _object_schema({"reasoning": {"type": "string"}, "step": {"anyOf": steps}})
    _check_size(schema, "all tools together")
    return schema


def built_in_steps(delegates: tuple[str, ...]) -> Mapping[str, type[BuiltInStep]]:
    """Return the steps that are not tool calls, for an agent with these delegates."""
    return {**BUILT_IN_STEPS, ASK_AGENT_INTENT: AskAgent} if delegates else BUILT_IN_STEPS


def strict_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Return the model's schema in strict mode: closed objects, all properties required, optional ones nullable.

    Raises ConfigurationError, with the path in the schema, for open objects, a root that is not an object, untyped
    values, recursive models, and more than MAX_LEVELS, MAX_PROPERTIES or MAX_ENUM_VALUES.
    """
    original = json_schema(model)
    strict = _to_strict(original, _SchemaPath(model.__name__, original.get("$defs", {})))
    if strict.get("type") != "object":
        raise ConfigurationError(
            f"{model.__name__}: the top-level value must be an object, not a union or a plain value"
        )
    _check_size(strict, model.__name__)
    return strict


@dataclass(frozen=True)
class _SchemaPath:
    """Position in a schema: `path` for error messages, `open_references` to find types that contain themselves."""

    path: str
    definitions: Mapping[str, Any]
    open_references: tuple[str, ...] = ()

    def child(self, name: str) -> "_SchemaPath":
        return replace(self, path=f"{self.path}.{name}")


def _to_strict(schema: dict[str, Any], path: _SchemaPath) -> dict[str, Any]:
    if "$ref" in schema:
        return _inline_reference(schema, path)
    if unsupported := sorted(_UNSUPPORTED_KEYWORDS & schema.keys()):
        names = ", ".join(unsupported)
        raise ConfigurationError(f"{path.path}: structured output does not support {names}; use a simpler type")
    kept = {key: value for key, value in schema.items() if key in _KEPT_KEYWORDS and not _is_unsupported(key, value)}
    kept |= {"enum": [schema["const"]]} if "const" in schema else {}  # not every provider supports `const`
    if (bounds := _describe_bounds(schema)) and "type" in schema:
        kept["description"] = " ".join(filter(None, [kept.get("description", ""), bounds]))
    if variants := schema.get("anyOf") or schema.get("oneOf"):
        return {**kept, "anyOf": [_to_strict(variant, path) for variant in variants]}
    if schema.get("type") == "object":
        return {**kept, **_close_object(schema, path)}
    if schema.get("type") == "array":
        return {**kept, "items": _to_strict(schema.get("items", {}), path.child("items"))}
    if not {"type", "enum", "const"} & schema.keys():
        raise ConfigurationError(f"{path.path}: this value has no type; give it a type")
    return kept


def _describe_bounds(schema: dict[str, Any]) -> str:
    bounds = [phrase.format(schema[name]) for name, phrase in _BOUND_PHRASES.items() if name in schema]
    return f"({', '.join(bounds)})" if bounds else ""


def _is_unsupported(key: str, value: Any) -> bool:
    """Return whether strict mode does not support a keyword; Handrail validates it in the answer instead."""
    return (key == "format" and value not in _SUPPORTED_FORMATS) or (
        key == "pattern" and bool(_LOOKAROUND.search(value))
    )


def _inline_reference(schema: dict[str, Any], path: _SchemaPath) -> dict[str, Any]:
    """Return the referenced definition: strict mode allows no other keyword beside a `$ref`."""
    name = schema["$ref"].removeprefix("#/$defs/")
    if name in path.open_references:
        raise ConfigurationError(f"{path.path}: {name} contains itself; recursive types are not supported")
    other_keywords = {key: value for key, value in schema.items() if key != "$ref"}
    return _to_strict(
        {**path.definitions[name], **other_keywords}, replace(path, open_references=(*path.open_references, name))
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
    """Return the schema of an optional property: strict mode has none, so null means the default value."""
    strict = _to_strict(schema, path)
    texts = [strict.pop("description", ""), _describe_default(schema.get("default"))]
    variants = strict.get("anyOf", [strict])
    description = {"description": " ".join(filter(None, texts))} if any(texts) else {}
    return {**description, "anyOf": variants if _NULL_SCHEMA in variants else [*variants, _NULL_SCHEMA]}


def _describe_default(default: Any) -> str:
    return "" if default is None else f"(null means {json.dumps(default, ensure_ascii=False)})"


def _step_schema(intent: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a step. `intent` comes first because some servers select the variant by its first key."""
    others = {name: value for name, value in schema["properties"].items() if name != "intent"}
    return {**schema, **_object_schema({"intent": {"type": "string", "enum": [intent]}, **others})}


def _ask_agent_schema(delegates: tuple[str, ...]) -> dict[str, Any]:
    """Return the schema of `ask_agent`, which accepts only these delegates."""
    schema = strict_schema(AskAgent)
    named = {**schema["properties"], "agent": {"type": "string", "enum": list(delegates)}}
    return _step_schema(ASK_AGENT_INTENT, {**schema, "properties": named})


def _check_no_name_clash(tools: tuple[Tool, ...]) -> None:
    names = [tool.name for tool in tools]
    for tool in tools:
        if tool.name in RESERVED_TOOL_NAMES or names.count(tool.name) > 1:
            raise ConfigurationError(f"{tool.name}: this name is already used; rename the tool")
        if "intent" in tool.arguments.model_fields:
            raise ConfigurationError(f"{tool.name}: an argument cannot be named intent; rename it")


def _check_size(schema: dict[str, Any], path: str) -> None:
    nodes = list(_iterate_nodes(schema))
    checks = {
        f"more than {MAX_LEVELS} levels": max(level for level, _ in nodes) > MAX_LEVELS,
        f"more than {MAX_PROPERTIES} properties": _count_in_nodes(nodes, "properties") > MAX_PROPERTIES,
        f"more than {MAX_ENUM_VALUES} choices": _count_in_nodes(nodes, "enum") > MAX_ENUM_VALUES,
    }
    for excess in (text for text, is_exceeded in checks.items() if is_exceeded):
        raise ConfigurationError(f"{path}: {excess}; make the arguments simpler")


def _count_in_nodes(nodes: list[tuple[int, dict[str, Any]]], key: str) -> int:
    return sum(len(node.get(key, ())) for _, node in nodes)


def _iterate_nodes(schema: dict[str, Any], parent_level: int = 0) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield every part of a strict schema with its level. Objects and arrays are levels, `anyOf` is not."""
    level = parent_level + (schema.get("type") in ("object", "array"))
    yield level, schema
    for part in (*schema.get("properties", {}).values(), *schema.get("anyOf", ())):
        yield from _iterate_nodes(part, level)
    if "items" in schema:
        yield from _iterate_nodes(schema["items"], level)


def strip_nulls(value: Mapping[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    """Return the value without nulls of optional fields, at any depth."""
    schema = json_schema(model)
    stripped: dict[str, Any] = _strip(dict(value), schema, schema.get("$defs", {}))
    return stripped


def _strip(value: Any, schema: dict[str, Any], definitions: dict[str, Any]) -> Any:
    if not isinstance(value, dict | list):
        return value
    part = next((p for p in _schema_alternatives(schema, definitions) if _accepts(p, value)), None)
    if part is None:
        return value
    if isinstance(value, list):
        return [_strip(item, part["items"], definitions) for item in value]
    optional = part["properties"].keys() - part.get("required", ())
    return {
        name: _strip(item, part["properties"].get(name, {}), definitions)
        for name, item in value.items()
        if item is not None or name not in optional
    }


def _schema_alternatives(schema: dict[str, Any], definitions: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the schema, or each of its alternatives, with references resolved."""
    if "$ref" in schema:
        yield from _schema_alternatives(definitions[schema["$ref"].removeprefix("#/$defs/")], definitions)
    elif variants := schema.get("anyOf") or schema.get("oneOf"):
        for variant in variants:
            yield from _schema_alternatives(variant, definitions)
    else:
        yield schema


def _accepts(schema: dict[str, Any], value: dict[str, Any] | list[Any]) -> bool:
    if isinstance(value, list):
        return "items" in schema
    fields = schema.get("properties", {}).items()
    return "properties" in schema and all("const" not in p or value.get(name) == p["const"] for name, p in fields)
