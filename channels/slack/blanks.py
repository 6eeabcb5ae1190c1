"""The arguments of a tool as fields of a form, from their JSON schema: texts, numbers, yes or no, and closed lists.

Anything else is shown and stays as it is.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from agents.cards import shown
from agents.visible import visible
from channels.slack.escaping import clipped

MOST_BLANKS = 40
MOST_OPTIONS = 100
LONGEST_INPUT = 3000
"""Characters one field takes (docs.slack.dev/reference/block-kit/block-elements/plain-text-input-element)."""

_NAME = re.compile(r"[!-~]{1,150}", re.ASCII)
WHOLE = re.compile(r"[+-]?[0-9]{1,30}", re.ASCII)
DECIMAL = re.compile(r"[+-]?[0-9]{0,30}[.]?[0-9]{1,30}([eE][+-]?[0-9]{1,3})?", re.ASCII)
_NULL = {"type": "null"}
_LONGEST_LABEL = 75

Kind = Literal["text", "whole", "decimal", "choice"]
_KINDS: Mapping[Any, Kind] = {"string": "text", "integer": "whole", "number": "decimal"}


@dataclass(frozen=True)
class Blank:
    """One argument to fill in. `options` are the values of a closed list."""

    name: str
    kind: Kind
    optional: bool
    value: Any = None
    options: tuple[Any, ...] = ()
    limits: Mapping[str, Any] = field(default_factory=dict)
    hint: str = ""

    @property
    def written(self) -> str:
        """The present value as the field shows it; empty for none."""
        return "" if self.value is None else str(self.value)

    @property
    def labels(self) -> tuple[str, ...]:
        """What the options are called: numbered when their names alone do not fit."""
        names = [_label(option) for option in self.options]
        fit = all(0 < len(name) <= _LONGEST_LABEL for name in names)
        return tuple(name if fit else clipped(f"{n}. {name}", _LONGEST_LABEL) for n, name in enumerate(names, 1))


@dataclass(frozen=True)
class Fixed:
    """One argument that cannot be changed here."""

    name: str
    value: Any


def form(schema: Mapping[str, Any], arguments: Mapping[str, Any]) -> tuple[Blank | Fixed, ...]:
    """The fields for the arguments of a call, in the order of their schema, and then whatever else it has."""
    properties = schema.get("properties")
    described = properties if isinstance(properties, dict) else {}
    return tuple(_limited(_fields(schema, described, arguments)))


def _fields(
    schema: Mapping[str, Any], described: Mapping[str, Any], arguments: Mapping[str, Any]
) -> Iterator[Blank | Fixed]:
    for name, part in described.items():
        blank = _blank(name, part, schema, arguments)
        if blank is not None:
            yield blank
        elif name in arguments:
            yield Fixed(name, arguments[name])
    yield from (Fixed(name, value) for name, value in arguments.items() if name not in described)


def _limited(fields: Iterator[Blank | Fixed]) -> Iterator[Blank | Fixed]:
    """A modal holds 100 blocks: what is beyond stays as it is."""
    for number, found in enumerate(fields):
        if number < MOST_BLANKS or isinstance(found, Fixed):
            yield found
        elif found.value is not None:
            yield Fixed(found.name, found.value)


def _blank(name: str, part: Any, schema: Mapping[str, Any], arguments: Mapping[str, Any]) -> Blank | None:
    """None when the argument, or what it is now, does not fit a field."""
    described = _resolved(part, schema)
    value = arguments.get(name)
    if described is None or not _NAME.fullmatch(name):
        return None
    kind, options = _kind(described)
    if kind is None or not _fits(value, kind, options):
        return None
    optional = name not in _listed(schema.get("required")) or value == ""
    hint = part.get("description") if isinstance(part, dict) else None
    told = clipped(visible(hint), 300) if isinstance(hint, str) else ""
    return Blank(name, kind, optional, value, options, described, told)


def _resolved(part: Any, schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """What describes a value: behind one reference, and without the null of an optional one."""
    if not isinstance(part, dict):
        return None
    described = _only(part)
    reference = described.get("$ref")
    if not isinstance(reference, str):
        return described
    definitions = schema.get("$defs")
    found = definitions.get(reference.rpartition("/")[2]) if isinstance(definitions, dict) else None
    return found if isinstance(found, dict) else None


def _only(part: dict[str, Any]) -> dict[str, Any]:
    """The one alternative there is besides null; nothing is known of a value that may be several things."""
    if "anyOf" not in part:
        return part
    alternatives = [found for found in _listed(part["anyOf"]) if found != _NULL]
    return alternatives[0] if len(alternatives) == 1 and isinstance(alternatives[0], dict) else {}


def _kind(described: Mapping[str, Any]) -> tuple[Kind | None, tuple[Any, ...]]:
    options = _listed(described.get("enum"))
    if options:
        plain = len(options) <= MOST_OPTIONS and all(isinstance(option, str | int | float) for option in options)
        return ("choice" if plain else None), tuple(options)
    named = described.get("type")
    if named == "boolean":
        return "choice", (True, False)
    known = isinstance(named, str) and "const" not in described
    return (_KINDS.get(named) if known else None), ()


def _fits(value: Any, kind: Kind, options: tuple[Any, ...]) -> bool:
    """Whether the field can show what the argument is now."""
    if value is None:
        return True
    match kind:
        case "text":
            return isinstance(value, str) and len(value) <= LONGEST_INPUT
        case "whole":
            return isinstance(value, int) and not isinstance(value, bool) and WHOLE.fullmatch(str(value)) is not None
        case "decimal":
            number = isinstance(value, int | float) and not isinstance(value, bool)
            return number and DECIMAL.fullmatch(str(value)) is not None
        case "choice":
            return any(_same(value, option) for option in options)


def _same(one: Any, other: Any) -> bool:
    """Python takes True for 1; JSON does not."""
    return type(one) is type(other) and bool(one == other)


def chosen_at(blank: Blank) -> int | None:
    """Where in its options the present value is."""
    return next((n for n, option in enumerate(blank.options) if _same(option, blank.value)), None)


def _label(option: Any) -> str:
    if isinstance(option, bool):
        return "yes" if option else "no"
    return shown(option)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
