"""Arguments of tools: from JSON to the objects a function is annotated with, and back to canonical JSON."""

import inspect
import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Optional

from pydantic import BaseModel, ConfigDict, create_model
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema, to_jsonable_python

from agents.errors import InvalidArguments

MAX_EXACT_NUMBER = 2**53
"""Up to here a JSON number is the same number for everybody (RFC 8259 §6)."""


def build_arguments_model(name: str, parameters: Iterable[inspect.Parameter]) -> type[BaseModel]:
    """Return the model of the annotated parameters of a function."""
    fields: dict[str, Any] = {parameter.name: _to_model_field(parameter) for parameter in parameters}
    config = ConfigDict(frozen=True, extra="forbid", strict=True)
    return create_model(f"{name}_arguments", __config__=config, **fields)


def _to_model_field(parameter: inspect.Parameter) -> tuple[Any, Any]:
    """A default of None is also allowed as a value, so that arguments with their defaults filled in are valid."""
    if parameter.default is inspect.Parameter.empty:
        return parameter.annotation, ...
    if parameter.default is None:
        return Optional[parameter.annotation], None  # noqa: UP045 - an annotation may be anything, also None
    return parameter.annotation, parameter.default


def to_canonical_arguments(model: type[BaseModel], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments as plain JSON: one form for all that means the same, which people approve and digests bind.

    `arguments` may hold JSON values and typed objects. Raises InvalidArguments, ValidationError, TypeError,
    ValueError and RecursionError.
    """
    return _validate(model, arguments).model_dump(mode="json", by_alias=True, warnings=False)


def to_typed_arguments(model: type[BaseModel], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments as the objects the function is annotated with. Raises what `canonical` raises."""
    read = _validate(model, arguments)
    return {name: getattr(read, name) for name in model.model_fields}


@lru_cache(maxsize=256)
def json_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON schema of the arguments. It is shared, so do not change it."""
    return model.model_json_schema(schema_generator=_ArgumentsJsonSchema)


def _validate(model: type[BaseModel], arguments: Mapping[str, Any]) -> BaseModel:
    """Strict at every depth: a number is no text, a truth value is no number; only 5.0 is the same number as 5."""
    written = json.dumps(dict(arguments), allow_nan=False, default=_to_json_value)
    whole = json.dumps(json.loads(written, parse_float=_parse_number))
    read = model.model_validate_json(whole, strict=True)
    _reject_bool_as_number(json.loads(whole), read.model_dump(mode="json", by_alias=True, warnings=False), ())
    return read


def _reject_bool_as_number(given: Any, validated: Any, path: tuple[str, ...]) -> None:
    """Python takes True for 1, so pydantic finds it in enumerations; JSON does not."""
    if isinstance(given, bool) and not isinstance(validated, bool):
        raise InvalidArguments(f"{'.'.join(path)}: true and false are no numbers")
    if isinstance(given, dict) and isinstance(validated, dict):
        for name in given.keys() & validated.keys():
            _reject_bool_as_number(given[name], validated[name], (*path, name))
    if isinstance(given, list) and isinstance(validated, list):
        for number, (before, after) in enumerate(zip(given, validated, strict=False)):
            _reject_bool_as_number(before, after, (*path, str(number)))


def _to_json_value(value: Any) -> Any:
    """The form in JSON of a typed object. Bytes have none."""
    if isinstance(value, bytes | bytearray):
        raise TypeError("bytes cannot be written as JSON")
    return to_jsonable_python(value, by_alias=True)


def _parse_number(digits: str) -> float | int:
    """JSON has one kind of number (RFC 8785 writes 5.0 as 5)."""
    number = float(digits)
    is_whole = number.is_integer() and abs(number) <= MAX_EXACT_NUMBER
    return int(number) if is_whole else number


class _ArgumentsJsonSchema(GenerateJsonSchema):
    """A Decimal is offered as text alone, which keeps its digits, and not as a choice of number and text."""

    def decimal_schema(self, schema: core_schema.DecimalSchema) -> JsonSchemaValue:
        _ = schema
        return {"type": "string", "pattern": r"^[+-]?[0-9]+([.][0-9]+)?$", "description": "a decimal number"}
