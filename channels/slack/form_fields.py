"""Form fields for the arguments of a tool, derived from their JSON schema, and the values that a user entered.

Strings, numbers, booleans and enums have fields; other arguments are shown read-only. The checks here let the modal
show errors beside its fields. The arguments are validated against the tool's schema again when the answer is recorded.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from operator import ge, gt, le, lt
from typing import Any, Literal

from agents.core.cards import display_value
from agents.core.visible_text import escape_hidden_characters
from channels.slack.blocks import truncate

MAX_FIELDS = 40
MAX_OPTIONS = 100
MAX_INPUT_LENGTH = 3000
"""Characters of one field (docs.slack.dev/reference/block-kit/block-elements/plain-text-input-element)."""

_FIELD_NAME = re.compile(r"[!-~]{1,150}", re.ASCII)
INTEGER_PATTERN = re.compile(r"[+-]?[0-9]{1,30}", re.ASCII)
DECIMAL_PATTERN = re.compile(r"[+-]?[0-9]{0,30}[.]?[0-9]{1,30}([eE][+-]?[0-9]{1,3})?", re.ASCII)
_NULL_SCHEMA = {"type": "null"}
_MAX_LABEL_LENGTH = 75

FieldKind = Literal["text", "integer", "number", "choice"]
_KINDS_BY_TYPE: Mapping[Any, FieldKind] = {"string": "text", "integer": "integer", "number": "number"}


@dataclass(frozen=True)
class FormField:
    """Editable argument. `options` are the values of an enum; `limits` is the value's JSON schema."""

    name: str
    kind: FieldKind
    is_optional: bool
    value: Any = None
    options: tuple[Any, ...] = ()
    limits: Mapping[str, Any] = field(default_factory=dict)
    hint: str = ""

    @property
    def initial_value(self) -> str:
        """Current value as the field shows it; empty if there is none."""
        return "" if self.value is None else str(self.value)

    @property
    def option_labels(self) -> tuple[str, ...]:
        """Labels of the options; if one is too long, all are numbered and truncated."""
        names = [_option_label(option) for option in self.options]
        has_short_names = all(0 < len(name) <= _MAX_LABEL_LENGTH for name in names)
        labels = (f"{number}. {name}" for number, name in enumerate(names, 1))
        return tuple(names) if has_short_names else tuple(truncate(label, _MAX_LABEL_LENGTH) for label in labels)


@dataclass(frozen=True)
class ReadOnlyField:
    """Argument that the form shows and cannot change."""

    name: str
    value: Any


def form_fields(schema: Mapping[str, Any], arguments: Mapping[str, Any]) -> tuple[FormField | ReadOnlyField, ...]:
    """Return the fields for a call's arguments, in the order of the schema; arguments without a schema come last."""
    properties = schema.get("properties")
    known_properties = properties if isinstance(properties, dict) else {}
    return tuple(_limit_fields(_iter_fields(schema, known_properties, arguments)))


def _iter_fields(
    schema: Mapping[str, Any], properties: Mapping[str, Any], arguments: Mapping[str, Any]
) -> Iterator[FormField | ReadOnlyField]:
    for name, value_schema in properties.items():
        form_field = _form_field(name, value_schema, schema, arguments)
        if form_field is not None:
            yield form_field
        elif name in arguments:
            yield ReadOnlyField(name, arguments[name])
    yield from (ReadOnlyField(name, value) for name, value in arguments.items() if name not in properties)


def _limit_fields(fields: Iterator[FormField | ReadOnlyField]) -> Iterator[FormField | ReadOnlyField]:
    """Make the fields after the first MAX_FIELDS read-only: a modal holds 100 blocks."""
    for number, one in enumerate(fields):
        if number < MAX_FIELDS or isinstance(one, ReadOnlyField):
            yield one
        elif one.value is not None:
            yield ReadOnlyField(one.name, one.value)


def _form_field(
    name: str, value_schema: Any, schema: Mapping[str, Any], arguments: Mapping[str, Any]
) -> FormField | None:
    """Return the field of an argument, None if no field fits its schema or its current value."""
    resolved = _resolve_reference(value_schema, schema)
    value = arguments.get(name)
    if resolved is None or not _FIELD_NAME.fullmatch(name):
        return None
    kind, options = _field_kind(resolved)
    if kind is None or not _can_show(value, kind, options):
        return None
    is_optional = name not in _list_or_empty(schema.get("required")) or value == ""
    description = value_schema.get("description") if isinstance(value_schema, dict) else None
    hint = truncate(escape_hidden_characters(description), 300) if isinstance(description, str) else ""
    return FormField(name, kind, is_optional, value, options, resolved, hint)


def _resolve_reference(value_schema: Any, schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the value's schema without an optional null and with one `$ref` resolved; None if that fails."""
    if not isinstance(value_schema, dict):
        return None
    alternative = _non_null_alternative(value_schema)
    reference = alternative.get("$ref")
    if not isinstance(reference, str):
        return alternative
    definitions = schema.get("$defs")
    found = definitions.get(reference.rpartition("/")[2]) if isinstance(definitions, dict) else None
    return found if isinstance(found, dict) else None


def _non_null_alternative(value_schema: dict[str, Any]) -> dict[str, Any]:
    """Return the only `anyOf` alternative besides null; an empty schema if there are several."""
    if "anyOf" not in value_schema:
        return value_schema
    alternatives = [schema for schema in _list_or_empty(value_schema["anyOf"]) if schema != _NULL_SCHEMA]
    return alternatives[0] if len(alternatives) == 1 and isinstance(alternatives[0], dict) else {}


def _field_kind(value_schema: Mapping[str, Any]) -> tuple[FieldKind | None, tuple[Any, ...]]:
    options = _list_or_empty(value_schema.get("enum"))
    if options:
        can_be_menu = len(options) <= MAX_OPTIONS and all(isinstance(option, str | int | float) for option in options)
        return ("choice" if can_be_menu else None), tuple(options)
    json_type = value_schema.get("type")
    if json_type == "boolean":
        return "choice", (True, False)
    is_editable = isinstance(json_type, str) and "const" not in value_schema
    return (_KINDS_BY_TYPE.get(json_type) if is_editable else None), ()


def _can_show(value: Any, kind: FieldKind, options: tuple[Any, ...]) -> bool:
    """Return whether the field can show the argument's current value."""
    if value is None:
        return True
    match kind:
        case "text":
            return isinstance(value, str) and len(value) <= MAX_INPUT_LENGTH
        case "integer":
            return (
                isinstance(value, int)
                and not isinstance(value, bool)
                and INTEGER_PATTERN.fullmatch(str(value)) is not None
            )
        case "number":
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            return is_number and DECIMAL_PATTERN.fullmatch(str(value)) is not None
        case "choice":
            return any(_is_same_json(value, option) for option in options)


def _is_same_json(one: Any, other: Any) -> bool:
    """Return whether two values are equal in JSON, where True is not 1."""
    return type(one) is type(other) and bool(one == other)


def selected_index(form_field: FormField) -> int | None:
    """Return the index of the current value in the field's options."""
    return next((n for n, option in enumerate(form_field.options) if _is_same_json(option, form_field.value)), None)


def _option_label(option: Any) -> str:
    if isinstance(option, bool):
        return "yes" if option else "no"
    return display_value(option)


def _list_or_empty(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


_BOUNDS = (
    ("minimum", "at least", ge),
    ("maximum", "at most", le),
    ("exclusiveMinimum", "more than", gt),
    ("exclusiveMaximum", "less than", lt),
)


@dataclass(frozen=True)
class FieldError:
    """Error message about an entry, for the person who made it."""

    message: str


def parse_value(form_field: FormField, entry: str | None) -> Any:
    """Return the value of an entry, None for an empty optional one, or a FieldError."""
    if entry is None:
        return None if form_field.is_optional else FieldError("Fill this in.")
    match form_field.kind:
        case "text":
            return _parse_text(entry, form_field.limits)
        case "integer":
            return _parse_integer(entry, form_field.limits)
        case "number":
            return _parse_number(entry, form_field.limits)
        case "choice":
            is_known = INTEGER_PATTERN.fullmatch(entry) and 0 <= int(entry) < len(form_field.options)
            return form_field.options[int(entry)] if is_known else FieldError("Choose from the list.")


def _parse_text(entry: str, limits: Mapping[str, Any]) -> str | FieldError:
    min_length, max_length = limits.get("minLength"), limits.get("maxLength")
    if isinstance(min_length, int) and len(entry) < min_length:
        return FieldError(f"Write at least {min_length} characters.")
    if isinstance(max_length, int) and len(entry) > max_length:
        return FieldError(f"Write at most {max_length} characters.")
    return entry


def _parse_integer(entry: str, limits: Mapping[str, Any]) -> Any:
    """Parse an integer; 5.0 is accepted as 5, as in JSON Schema."""
    if not DECIMAL_PATTERN.fullmatch(entry) or not float(entry).is_integer():
        return FieldError("Write a whole number.")
    return _check_bounds(int(entry) if INTEGER_PATTERN.fullmatch(entry) else int(float(entry)), limits)


def _parse_number(entry: str, limits: Mapping[str, Any]) -> Any:
    """Parse a number; an integer stays an int, so that it is displayed as it was written."""
    if INTEGER_PATTERN.fullmatch(entry):
        return _check_bounds(int(entry), limits)
    if not DECIMAL_PATTERN.fullmatch(entry) or not math.isfinite(float(entry)):
        return FieldError("Write a number.")
    return _check_bounds(float(entry), limits)


def _check_bounds(number: float, limits: Mapping[str, Any]) -> Any:
    for name, wording, is_within in _BOUNDS:
        limit = limits.get(name)
        if isinstance(limit, int | float) and not is_within(number, limit):
            return FieldError(f"Write a number that is {wording} {limit}.")
    return number
