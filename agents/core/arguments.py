"""Conversion of tool arguments from JSON to the annotated Python types, and back to canonical JSON."""

import inspect
import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Optional

from pydantic import BaseModel, ConfigDict, create_model
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema, to_jsonable_python

from agents.core.errors import InvalidArguments

MAX_EXACT_NUMBER = 2**53
"""The largest integer that all JSON implementations represent exactly (RFC 8259, section 6)."""


def build_arguments_model(name: str, parameters: Iterable[inspect.Parameter]) -> type[BaseModel]:
    """Return a pydantic model with one field for each annotated parameter of a function."""
    fields: dict[str, Any] = {parameter.name: _to_model_field(parameter) for parameter in parameters}
    config = ConfigDict(frozen=True, extra="forbid", strict=True)
    return create_model(f"{name}_arguments", __config__=config, **fields)


def _to_model_field(parameter: inspect.Parameter) -> tuple[Any, Any]:
    """Return the field of a parameter. A default of None also allows None, so that filled-in defaults are valid."""
    if parameter.default is inspect.Parameter.empty:
        return parameter.annotation, ...
    if parameter.default is None:
        return Optional[parameter.annotation], None  # noqa: UP045 - an annotation may be anything, also None
    return parameter.annotation, parameter.default


def to_canonical_arguments(model: type[BaseModel], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments as canonical JSON: equal arguments have one form, and so one digest for approvals.

    `arguments` may hold JSON values and typed objects. Raises InvalidArguments, ValidationError, TypeError,
    ValueError and RecursionError.
    """
    return _validate(model, arguments).model_dump(mode="json", by_alias=True, warnings=False)


def to_typed_arguments(model: type[BaseModel], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments as the annotated Python types. Raises the same errors as `to_canonical_arguments`."""
    validated = _validate(model, arguments)
    return {name: getattr(validated, name) for name in model.model_fields}


@lru_cache(maxsize=256)
def json_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON schema of the arguments. The result is cached, so do not change it."""
    return model.model_json_schema(schema_generator=_ArgumentsJsonSchema)


def _validate(model: type[BaseModel], arguments: Mapping[str, Any]) -> BaseModel:
    """Validate strictly at every depth: numbers are not texts and booleans are not numbers, but 5.0 is equal to 5."""
    given = json.dumps(dict(arguments), allow_nan=False, default=_to_json_value)
    normalized = json.dumps(json.loads(given, parse_float=_parse_number))
    validated = model.model_validate_json(normalized, strict=True)
    dumped = validated.model_dump(mode="json", by_alias=True, warnings=False)
    _reject_bool_as_number(json.loads(normalized), dumped, ())
    return validated


def _reject_bool_as_number(given: Any, validated: Any, path: tuple[str, ...]) -> None:
    """Raise InvalidArguments when true or false was accepted as a number.

    In Python True equals 1, so pydantic accepts it for an enumeration of numbers; in JSON they differ.
    """
    if isinstance(given, bool) and not isinstance(validated, bool):
        raise InvalidArguments(f"{'.'.join(path)}: true and false are not numbers")
    if isinstance(given, dict) and isinstance(validated, dict):
        for name in given.keys() & validated.keys():
            _reject_bool_as_number(given[name], validated[name], (*path, name))
    if isinstance(given, list) and isinstance(validated, list):
        for index, (before, after) in enumerate(zip(given, validated, strict=False)):
            _reject_bool_as_number(before, after, (*path, str(index)))


def _to_json_value(value: Any) -> Any:
    """Return the JSON value of a typed object. Raises TypeError for bytes."""
    if isinstance(value, bytes | bytearray):
        raise TypeError("bytes cannot be written as JSON")
    return to_jsonable_python(value, by_alias=True)


def _parse_number(digits: str) -> float | int:
    """Return whole numbers as int: JSON has one kind of number (RFC 8785 writes 5.0 as 5)."""
    number = float(digits)
    is_whole = number.is_integer() and abs(number) <= MAX_EXACT_NUMBER
    return int(number) if is_whole else number


class _ArgumentsJsonSchema(GenerateJsonSchema):
    """Schema generator that describes a Decimal as text only, which keeps its digits, not as a number or text."""

    def decimal_schema(self, schema: core_schema.DecimalSchema) -> JsonSchemaValue:
        _ = schema
        return {"type": "string", "pattern": r"^[+-]?[0-9]+([.][0-9]+)?$", "description": "a decimal number"}
