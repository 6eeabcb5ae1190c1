"""Removal of nulls that stand for defaults: `strict_schema` makes optional fields required and nullable."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from agents.arguments import json_schema


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
