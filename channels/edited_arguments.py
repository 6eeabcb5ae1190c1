"""New arguments of a tool call that a person writes as text, `name=value`, on a channel without forms."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from agents.core.errors import InvalidAnswer
from agents.core.requests import Request


def merge_arguments(
    request: Request, assignments: Mapping[str, str], schema: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return the arguments of a request with the assigned values in their place.

    `schema` is the JSON schema of the tool's arguments. A value is converted to the type in the schema; whether it
    fits otherwise is checked when the answer is recorded. Raises InvalidAnswer, with a text for the person, for an
    unknown name, for a value of another type and for a request without arguments.
    """
    if schema is None or request.arguments is None:
        raise InvalidAnswer("This request cannot be edited; approve or deny it.")
    properties = schema.get("properties")
    known = properties if isinstance(properties, dict) else {}
    if unknown := [name for name in assignments if name not in known]:
        raise InvalidAnswer(f"There is no argument {unknown[0][:40]}; there are: {', '.join(known)}.")
    values = {name: _convert(name, text, known[name], schema) for name, text in assignments.items()}
    return request.arguments | values


def _convert(name: str, text: str, value_schema: Any, schema: Mapping[str, Any]) -> Any:
    """Return the text, or the JSON value that it represents if the schema allows no text."""
    if "string" in _types(value_schema, schema):
        return text
    try:
        return json.loads(text)
    except ValueError:
        raise InvalidAnswer(f"The value of {name} is not of the right type.") from None


def _types(value_schema: Any, schema: Mapping[str, Any]) -> frozenset[str]:
    """Return the JSON types that a schema allows; text is one of them if the schema does not say."""
    return frozenset(_iter_types(value_schema, schema)) or frozenset({"string"})


def _iter_types(value_schema: Any, schema: Mapping[str, Any]) -> Iterator[str]:
    for alternative in _alternatives(value_schema):
        resolved = _resolve_reference(alternative, schema)
        found = resolved.get("type")
        yield from [found] if isinstance(found, str) else found if isinstance(found, list) else ()


def _alternatives(value_schema: Any) -> list[Any]:
    alternatives = value_schema.get("anyOf") if isinstance(value_schema, dict) else None
    return alternatives if isinstance(alternatives, list) else [value_schema]


def _resolve_reference(value_schema: Any, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the schema, or the definition to which its `$ref` points."""
    if not isinstance(value_schema, dict):
        return {}
    reference, definitions = value_schema.get("$ref"), schema.get("$defs")
    if not isinstance(reference, str) or not isinstance(definitions, dict):
        return value_schema
    found = definitions.get(reference.rpartition("/")[2])
    return found if isinstance(found, dict) else {}
