"""The arguments of a tool as fields of a form, from their JSON schema: texts, numbers, yes or no, and closed lists.

Anything else is shown and stays as it is.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from agents.cards import display_value
from agents.visible_text import escape_hidden_characters
from channels.slack.escaping import truncate

MAX_FIELDS = 40
MAX_OPTIONS = 100
MAX_INPUT_LENGTH = 3000
"""Characters one field takes (docs.slack.dev/reference/block-kit/block-elements/plain-text-input-element)."""

_FIELD_NAME = re.compile(r"[!-~]{1,150}", re.ASCII)
INTEGER_PATTERN = re.compile(r"[+-]?[0-9]{1,30}", re.ASCII)
DECIMAL_PATTERN = re.compile(r"[+-]?[0-9]{0,30}[.]?[0-9]{1,30}([eE][+-]?[0-9]{1,3})?", re.ASCII)
_NULL_SCHEMA = {"type": "null"}
_MAX_LABEL_LENGTH = 75

FieldKind = Literal["text", "whole", "decimal", "choice"]
_KINDS_BY_TYPE: Mapping[Any, FieldKind] = {"string": "text", "integer": "whole", "number": "decimal"}


@dataclass(frozen=True)
class FormField:
    """One argument to fill in. `options` are the values of a closed list."""

    name: str
    kind: FieldKind
    is_optional: bool
    value: Any = None
    options: tuple[Any, ...] = ()
    limits: Mapping[str, Any] = field(default_factory=dict)
    hint: str = ""

    @property
    def initial_value(self) -> str:
        """The present value as the field shows it; empty for none."""
        return "" if self.value is None else str(self.value)

    @property
    def option_labels(self) -> tuple[str, ...]:
        """What the options are called: numbered when their names alone do not fit."""
        names = [_option_label(option) for option in self.options]
        fit = all(0 < len(name) <= _MAX_LABEL_LENGTH for name in names)
        return tuple(name if fit else truncate(f"{n}. {name}", _MAX_LABEL_LENGTH) for n, name in enumerate(names, 1))


@dataclass(frozen=True)
class ReadOnlyField:
    """One argument that cannot be changed here."""

    name: str
    value: Any


def form_fields(schema: Mapping[str, Any], arguments: Mapping[str, Any]) -> tuple[FormField | ReadOnlyField, ...]:
    """The fields for the arguments of a call, in the order of their schema, and then whatever else it has."""
    properties = schema.get("properties")
    described = properties if isinstance(properties, dict) else {}
    return tuple(_limit_fields(_iter_fields(schema, described, arguments)))


def _iter_fields(
    schema: Mapping[str, Any], properties: Mapping[str, Any], arguments: Mapping[str, Any]
) -> Iterator[FormField | ReadOnlyField]:
    for name, part in properties.items():
        blank = _form_field(name, part, schema, arguments)
        if blank is not None:
            yield blank
        elif name in arguments:
            yield ReadOnlyField(name, arguments[name])
    yield from (ReadOnlyField(name, value) for name, value in arguments.items() if name not in properties)


def _limit_fields(fields: Iterator[FormField | ReadOnlyField]) -> Iterator[FormField | ReadOnlyField]:
    """A modal holds 100 blocks: what is beyond stays as it is."""
    for number, found in enumerate(fields):
        if number < MAX_FIELDS or isinstance(found, ReadOnlyField):
            yield found
        elif found.value is not None:
            yield ReadOnlyField(found.name, found.value)


def _form_field(
    name: str, value_schema: Any, schema: Mapping[str, Any], arguments: Mapping[str, Any]
) -> FormField | None:
    """None when the argument, or what it is now, does not fit a field."""
    described = _resolve_reference(value_schema, schema)
    value = arguments.get(name)
    if described is None or not _FIELD_NAME.fullmatch(name):
        return None
    kind, options = _field_kind(described)
    if kind is None or not _can_show(value, kind, options):
        return None
    optional = name not in _list_or_empty(schema.get("required")) or value == ""
    hint = value_schema.get("description") if isinstance(value_schema, dict) else None
    told = truncate(escape_hidden_characters(hint), 300) if isinstance(hint, str) else ""
    return FormField(name, kind, optional, value, options, described, told)


def _resolve_reference(value_schema: Any, schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """What describes a value: behind one reference, and without the null of an optional one."""
    if not isinstance(value_schema, dict):
        return None
    described = _non_null_alternative(value_schema)
    reference = described.get("$ref")
    if not isinstance(reference, str):
        return described
    definitions = schema.get("$defs")
    found = definitions.get(reference.rpartition("/")[2]) if isinstance(definitions, dict) else None
    return found if isinstance(found, dict) else None


def _non_null_alternative(value_schema: dict[str, Any]) -> dict[str, Any]:
    """The one alternative there is besides null; nothing is known of a value that may be several things."""
    if "anyOf" not in value_schema:
        return value_schema
    alternatives = [found for found in _list_or_empty(value_schema["anyOf"]) if found != _NULL_SCHEMA]
    return alternatives[0] if len(alternatives) == 1 and isinstance(alternatives[0], dict) else {}


def _field_kind(value_schema: Mapping[str, Any]) -> tuple[FieldKind | None, tuple[Any, ...]]:
    options = _list_or_empty(value_schema.get("enum"))
    if options:
        plain = len(options) <= MAX_OPTIONS and all(isinstance(option, str | int | float) for option in options)
        return ("choice" if plain else None), tuple(options)
    named = value_schema.get("type")
    if named == "boolean":
        return "choice", (True, False)
    known = isinstance(named, str) and "const" not in value_schema
    return (_KINDS_BY_TYPE.get(named) if known else None), ()


def _can_show(value: Any, kind: FieldKind, options: tuple[Any, ...]) -> bool:
    """Whether the field can show what the argument is now."""
    if value is None:
        return True
    match kind:
        case "text":
            return isinstance(value, str) and len(value) <= MAX_INPUT_LENGTH
        case "whole":
            return (
                isinstance(value, int)
                and not isinstance(value, bool)
                and INTEGER_PATTERN.fullmatch(str(value)) is not None
            )
        case "decimal":
            number = isinstance(value, int | float) and not isinstance(value, bool)
            return number and DECIMAL_PATTERN.fullmatch(str(value)) is not None
        case "choice":
            return any(_is_same_json(value, option) for option in options)


def _is_same_json(one: Any, other: Any) -> bool:
    """Python takes True for 1; JSON does not."""
    return type(one) is type(other) and bool(one == other)


def selected_index(form_field: FormField) -> int | None:
    """Where in its options the present value is."""
    return next((n for n, option in enumerate(form_field.options) if _is_same_json(option, form_field.value)), None)


def _option_label(option: Any) -> str:
    if isinstance(option, bool):
        return "yes" if option else "no"
    return display_value(option)


def _list_or_empty(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
