"""OpenAI's rules for strict schemas and streaming, implemented independently of the product's code."""

from collections.abc import Iterator
from typing import Any

Schema = dict[str, Any]

# Anthropic's structured output rejects bounds, and Gemini's subset has no `const`.
_KNOWN = {
    "type", "description", "properties", "required", "additionalProperties", "items", "anyOf", "enum", "pattern",
    "format",
}  # fmt: skip


def schema_violations(schema: Schema) -> list[str]:
    """Return the violations for which a strict server would reject the schema, one line each."""
    root = [] if schema.get("type") == "object" else ["the root must be an object"]
    return [*root, *_node_violations(schema, "root")]


def _node_violations(node: Schema, path: str) -> Iterator[str]:
    for keyword in sorted(node.keys() - _KNOWN):
        yield f"{path}: {keyword!r} is not permitted"
    if not node.keys() & {"type", "anyOf", "enum"}:
        yield f"{path}: a type is missing"
    if node.get("type") == "object":
        yield from _object_violations(node, path)
    if node.get("type") == "array":
        yield from _node_violations(node.get("items", {}), f"{path}[]")
    for index, variant in enumerate(node.get("anyOf", ())):
        yield from _node_violations(variant, f"{path}|{index}")


def _object_violations(node: Schema, path: str) -> Iterator[str]:
    properties = node.get("properties", {})
    if node.get("additionalProperties") is not False:
        yield f"{path}: additionalProperties must be false"
    if sorted(node.get("required", ())) != sorted(properties):
        yield f"{path}: every property must be required"
    for name, value in properties.items():
        yield from _node_violations(value, f"{path}.{name}")


def fill_with_nulls(step: dict[str, Any], schema: Schema) -> dict[str, Any]:
    """Return the step as a server that enforces the schema would write it: missing properties are null.

    Raises ValueError when the schema has no such step.
    """
    properties = _find_variant(step["intent"], schema)["properties"]
    if unknown := sorted(step.keys() - properties.keys()):
        raise ValueError(f"{step['intent']} has no {', '.join(unknown)}")
    missing = [name for name, value in properties.items() if name not in step and not _is_nullable(value)]
    if missing:
        raise ValueError(f"{step['intent']} needs {', '.join(missing)}")
    return {name: step.get(name) for name in properties}


def streaming_violations(body: dict[str, Any], api: str) -> list[str]:
    """Return the violations in the streaming options of a request."""
    options, streams = body.get("stream_options"), body.get("stream", False)
    known = {"include_usage", "include_obfuscation"} if api == "chat" else {"include_obfuscation"}
    return [
        *([] if isinstance(streams, bool) else ["stream must be true or false"]),
        *(["stream_options are for streams alone"] if options is not None and streams is not True else []),
        *(f"stream_options.{name} is not known" for name in sorted((options or {}).keys() - known)),
    ]


def _find_variant(intent: str, schema: Schema) -> Schema:
    variants: list[Schema] = schema["properties"]["step"]["anyOf"]
    for variant in variants:
        if variant["properties"]["intent"]["enum"] == [intent]:
            return variant
    raise ValueError(f"the schema has no step {intent!r}")


def _is_nullable(schema: Schema) -> bool:
    return {"type": "null"} in schema.get("anyOf", ())
