"""Names declared in `handrail.toml`, collected before validation, so that validators can check references."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

from pydantic import ValidationInfo

from bot.config_file.conditions import ArgumentModels

_SCHEMES_BY_KEY = {"slack": "slack", "email": "email", "phone": "sms"}


@dataclass(frozen=True)
class DeclaredNames:
    """Names that the file may refer to, and the people by role, by address and by address scheme."""

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
            people_by_address=_group((name, key) for key, table in people.items() for name in _list_addresses(table)),
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


def declared_names(info: ValidationInfo) -> DeclaredNames:
    """Return the names from the context of a validator."""
    if not isinstance(info.context, DeclaredNames):
        raise TypeError("tables of the configuration must be validated with DeclaredNames as the context")
    return info.context


def format_address(key: str, value: str) -> str:
    """Return the address for a key of a person (`slack`, `email` or `phone`); mail addresses in lower case."""
    return f"{_SCHEMES_BY_KEY[key]}:{value.lower() if key == 'email' else value}"


def _list_addresses(table: Mapping[str, Any]) -> Iterator[str]:
    yield from ("terminal", "web")
    for key, scheme in _SCHEMES_BY_KEY.items():
        if isinstance(table.get(key), str):
            yield scheme
            yield format_address(key, table[key])


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
