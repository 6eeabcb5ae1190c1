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
from agents.errors import Misconfigured
from agents.steps import AskAgent, Await, DoneForNow, NothingToDo, RequestHumanInput
from agents.tools import Tool

MOST_LEVELS = 5
MOST_PROPERTIES = 100
MOST_CHOICES = 250

BuiltIn = RequestHumanInput | DoneForNow | NothingToDo | Await | AskAgent
BUILT_IN: Mapping[str, type[BuiltIn]] = {
    "request_human_input": RequestHumanInput,
    "done_for_now": DoneForNow,
    "nothing_to_do": NothingToDo,
    "await": Await,
}
"""The steps every agent may choose, by the name a model writes."""

ASK_AGENT = "ask_agent"
"""The step of those that may ask another agent."""

OLDER_NAMES = frozenset({"request_more_information", "request_clarification"})
"""Understood as `request_human_input` (CONTRACT §5)."""

TAKEN = frozenset({*BUILT_IN, ASK_AGENT, *OLDER_NAMES})
"""What no tool can be called."""

_KEPT = frozenset({"type", "description", "enum", "pattern", "format"})
_BOUNDS = {
    "minimum": "at least {}", "exclusiveMinimum": "more than {}", "maximum": "at most {}",
    "exclusiveMaximum": "less than {}", "multipleOf": "a multiple of {}", "minLength": "{} or more characters",
    "maxLength": "{} or fewer characters", "minItems": "{} or more items", "maxItems": "{} or fewer items",
}  # fmt: skip
"""Told in words: some providers refuse a whole schema for one of them (Anthropic's structured output)."""

_REFUSED = frozenset({
    "allOf", "not", "if", "then", "else", "prefixItems", "patternProperties", "propertyNames", "dependentRequired",
    "dependentSchemas", "unevaluatedProperties", "contains",
})  # fmt: skip
_FORMATS = frozenset({"date-time", "date", "time", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"})
_LOOKAROUND = re.compile(r"\(\?<?[=!]")
_NULL = {"type": "null"}


@lru_cache(maxsize=64)
def wire_schema(tools: tuple[Tool, ...], asks: tuple[str, ...] = ()) -> dict[str, Any]:
    """The object an agent with these tools answers in: `reasoning`, then one `step`. Shared, so do not change it.

    `asks` are the agents it may ask. Raises Misconfigured, naming the tool, for what cannot be said in strict mode.
    """
    _refuse_clashes(tools)
    chosen = [_variant(tool.name, strict_schema(tool.arguments)) for tool in tools]
    chosen += [_variant(intent, strict_schema(model)) for intent, model in BUILT_IN.items()]
    chosen += [_asking(asks)] if asks else []
    schema = _object({"reasoning": {"type": "string"}, "step": {"anyOf": chosen}})
    _refuse_excess(schema, "all tools together")
    return schema


def built_in(asks: tuple[str, ...]) -> Mapping[str, type[BuiltIn]]:
    """The steps that are no tools, for an agent that may ask these others."""
    return {**BUILT_IN, ASK_AGENT: AskAgent} if asks else BUILT_IN


def strict_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The model's schema in strict mode: every object closed, every property required, optional ones nullable.

    Raises Misconfigured, naming the place, for open objects, roots that are no object, untyped values, a model within
    itself, and for more than MOST_LEVELS, MOST_PROPERTIES or MOST_CHOICES.
    """
    whole = json_schema(model)
    strict = _strict(whole, _Place(model.__name__, whole.get("$defs", {})))
    if strict.get("type") != "object":
        raise Misconfigured(f"{model.__name__}: the outermost value must be an object, not a choice or a plain value")
    _refuse_excess(strict, model.__name__)
    return strict


@dataclass(frozen=True)
class _Place:
    """Where in a schema we are: `path` for messages, `within` for the definitions that are being written out."""

    path: str
    definitions: Mapping[str, Any]
    within: tuple[str, ...] = ()

    def at(self, name: str) -> "_Place":
        return replace(self, path=f"{self.path}.{name}")


def _strict(schema: dict[str, Any], place: _Place) -> dict[str, Any]:
    if "$ref" in schema:
        return _written_out(schema, place)
    if refused := sorted(_REFUSED & schema.keys()):
        raise Misconfigured(f"{place.path}: a model cannot be held to {', '.join(refused)}; use a simpler type")
    kept = {key: value for key, value in schema.items() if key in _KEPT and not _unsupported(key, value)}
    kept |= {"enum": [schema["const"]]} if "const" in schema else {}  # not every provider knows `const`
    if (bounds := _told_bounds(schema)) and "type" in schema:
        kept["description"] = " ".join(filter(None, [kept.get("description", ""), bounds]))
    if variants := schema.get("anyOf") or schema.get("oneOf"):
        return {**kept, "anyOf": [_strict(variant, place) for variant in variants]}
    if schema.get("type") == "object":
        return {**kept, **_closed(schema, place)}
    if schema.get("type") == "array":
        return {**kept, "items": _strict(schema.get("items", {}), place.at("items"))}
    if not {"type", "enum", "const"} & schema.keys():
        raise Misconfigured(f"{place.path}: this may be anything; give it a type")
    return kept


def _told_bounds(schema: dict[str, Any]) -> str:
    told = [words.format(schema[name]) for name, words in _BOUNDS.items() if name in schema]
    return f"({', '.join(told)})" if told else ""


def _unsupported(key: str, value: Any) -> bool:
    """What strict mode does not know is left to our own validation."""
    return (key == "format" and value not in _FORMATS) or (key == "pattern" and bool(_LOOKAROUND.search(value)))


def _written_out(schema: dict[str, Any], place: _Place) -> dict[str, Any]:
    """The definition in place of its reference: strict mode allows nothing beside a `$ref`."""
    name = schema["$ref"].removeprefix("#/$defs/")
    if name in place.within:
        raise Misconfigured(f"{place.path}: {name} contains itself; a model cannot be held to that within our limits")
    beside = {key: value for key, value in schema.items() if key != "$ref"}
    return _strict({**place.definitions[name], **beside}, replace(place, within=(*place.within, name)))


def _closed(schema: dict[str, Any], place: _Place) -> dict[str, Any]:
    if schema.get("additionalProperties", False) is not False or "properties" not in schema:
        raise Misconfigured(f"{place.path}: an object with any keys; use a list of pairs instead")
    required = schema.get("required", [])
    return _object(
        {
            name: _strict(value, place.at(name)) if name in required else _nullable(value, place.at(name))
            for name, value in schema["properties"].items()
        }
    )


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _nullable(schema: dict[str, Any], place: _Place) -> dict[str, Any]:
    """An optional value: strict mode has no optional properties, so null stands for the default, which is told."""
    strict = _strict(schema, place)
    told = [strict.pop("description", ""), _told_default(schema.get("default"))]
    variants = strict.get("anyOf", [strict])
    described = {"description": " ".join(filter(None, told))} if any(told) else {}
    return {**described, "anyOf": variants if _NULL in variants else [*variants, _NULL]}


def _told_default(default: Any) -> str:
    return "" if default is None else f"(null means {json.dumps(default, ensure_ascii=False)})"


def _variant(intent: str, schema: dict[str, Any]) -> dict[str, Any]:
    """One step: `intent` comes first and tells the variants apart, also where a server looks at the first key only."""
    others = {name: value for name, value in schema["properties"].items() if name != "intent"}
    return {**schema, **_object({"intent": {"type": "string", "enum": [intent]}, **others})}


def _asking(asks: tuple[str, ...]) -> dict[str, Any]:
    """Only those it may ask can be named."""
    schema = strict_schema(AskAgent)
    named = {**schema["properties"], "agent": {"type": "string", "enum": list(asks)}}
    return _variant(ASK_AGENT, {**schema, "properties": named})


def _refuse_clashes(tools: tuple[Tool, ...]) -> None:
    names = [tool.name for tool in tools]
    for tool in tools:
        if tool.name in TAKEN or names.count(tool.name) > 1:
            raise Misconfigured(f"{tool.name}: this name is taken; call the tool something else")
        if "intent" in tool.arguments.model_fields:
            raise Misconfigured(f"{tool.name}: no argument can be called intent; call it something else")


def _refuse_excess(schema: dict[str, Any], path: str) -> None:
    nodes = list(_nodes(schema))
    counted = {
        f"more than {MOST_LEVELS} levels": max(level for level, _ in nodes) > MOST_LEVELS,
        f"more than {MOST_PROPERTIES} properties": _total(nodes, "properties") > MOST_PROPERTIES,
        f"more than {MOST_CHOICES} choices": _total(nodes, "enum") > MOST_CHOICES,
    }
    for excess in (what for what, exceeded in counted.items() if exceeded):
        raise Misconfigured(f"{path}: {excess}; make the arguments simpler")


def _total(nodes: list[tuple[int, dict[str, Any]]], key: str) -> int:
    return sum(len(node.get(key, ())) for _, node in nodes)


def _nodes(schema: dict[str, Any], above: int = 0) -> Iterator[tuple[int, dict[str, Any]]]:
    """Every part of a strict schema with its level: objects and arrays are levels, choices between them are not."""
    level = above + (schema.get("type") in ("object", "array"))
    yield level, schema
    for part in (*schema.get("properties", {}).values(), *schema.get("anyOf", ())):
        yield from _nodes(part, level)
    if "items" in schema:
        yield from _nodes(schema["items"], level)
