"""Names declared in `handrail.toml`, collected before validation, so that validators can check references."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

from pydantic import ValidationInfo

from bot.config_file.conditions import ArgumentModels

_SCHEMES_BY_FIELD = {"slack": "slack", "email": "email", "phone": "sms"}


@dataclass(frozen=True)
class DeclaredNames:
    """Names that the file may refer to. `people_by_address` has both whole addresses and schemes, such as `slack`."""

    tools: ArgumentModels
    agents: frozenset[str]
    people: frozenset[str]
    people_by_role: Mapping[str, frozenset[str]]
    people_by_address: Mapping[str, frozenset[str]]
    webhooks: Counter[str]
    schedules: Counter[str]

    @classmethod
    def from_document(cls, document: Mapping[str, Any], *, tools: ArgumentModels, agents: Collection[str]) -> Self:
        """Collect the names of all values of the right type. Validation reports the others."""
        people = _select_tables(document.get("people"))
        return cls(
            tools=tools,
            agents=frozenset(agents),
            people=frozenset(people),
            people_by_role=_group(
                (role, key) for key, table in people.items() for role in _select_texts(table.get("roles"))
            ),
            people_by_address=_group(
                (address, key) for key, table in people.items() for address in _list_addresses_and_schemes(table)
            ),
            webhooks=Counter(_list_names(document.get("webhooks"))),
            schedules=Counter(_list_names(document.get("schedules"))),
        )

    def people_with_role(self, role: str) -> frozenset[str]:
        """Return the people with a role; `*` as the role of approvers means all people."""
        if role == "*":
            return self.people
        return self.people_by_role.get(role, frozenset()) | self.people_by_role.get("*", frozenset())

    @property
    def roles(self) -> frozenset[str]:
        return frozenset(self.people_by_role) - {"*"}


def get_declared_names(info: ValidationInfo) -> DeclaredNames:
    """Return the names from the context of a validator."""
    if not isinstance(info.context, DeclaredNames):
        raise TypeError("tables of the configuration must be validated with DeclaredNames as the context")
    return info.context


def format_address(field: str, value: str) -> str:
    """Return the address in a field of a person (`slack`, `email` or `phone`). Email addresses become lower case."""
    return f"{_SCHEMES_BY_FIELD[field]}:{value.lower() if field == 'email' else value}"


def _list_addresses_and_schemes(table: Mapping[str, Any]) -> Iterator[str]:
    """Yield the addresses of a person, and the schemes of these and of the built-in addresses."""
    yield from ("terminal", "web")
    for field, scheme in _SCHEMES_BY_FIELD.items():
        if isinstance(table.get(field), str):
            yield scheme
            yield format_address(field, table[field])


def _group(pairs: Iterator[tuple[str, str]]) -> Mapping[str, frozenset[str]]:
    groups: dict[str, set[str]] = {}
    for group, member in pairs:
        groups.setdefault(group, set()).add(member)
    return {group: frozenset(members) for group, members in groups.items()}


def _select_tables(value: Any) -> dict[str, dict[str, Any]]:
    tables = value if isinstance(value, dict) else {}
    return {key: table for key, table in tables.items() if isinstance(table, dict)}


def _list_names(value: Any) -> list[str]:
    tables = value if isinstance(value, list) else []
    return [table["name"] for table in tables if isinstance(table, dict) and isinstance(table.get("name"), str)]


def _select_texts(value: Any) -> list[str]:
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []
