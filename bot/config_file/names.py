"""The names `handrail.toml` speaks of, gathered before it is judged, so that each reference is checked on the spot."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

from pydantic import ValidationInfo

from bot.config_file.conditions import Signatures

_CHANNEL_KEYS = {"slack": "slack", "email": "email", "phone": "sms"}


@dataclass(frozen=True)
class Names:
    """What may be referred to. `holders` has the people of each role, `owners` those of each address and scheme."""

    tools: Signatures
    agents: frozenset[str]
    people: frozenset[str]
    holders: Mapping[str, frozenset[str]]
    owners: Mapping[str, frozenset[str]]
    webhooks: Counter[str]
    schedules: Counter[str]

    @classmethod
    def of(cls, document: Mapping[str, Any], *, tools: Signatures, agents: Collection[str]) -> Self:
        """Gathers what has the right shape and passes over the rest, which is told as a mistake elsewhere."""
        people = _tables(document.get("people"))
        return cls(
            tools=tools,
            agents=frozenset(agents),
            people=frozenset(people),
            holders=_grouped((role, key) for key, table in people.items() for role in _texts(table.get("roles"))),
            owners=_grouped((known, key) for key, table in people.items() for known in _addresses(table)),
            webhooks=Counter(_names_in(document.get("webhooks"))),
            schedules=Counter(_names_in(document.get("schedules"))),
        )

    def with_role(self, role: str) -> frozenset[str]:
        """The people who hold a role; as an approver, the role `*` is everybody."""
        if role == "*":
            return self.people
        return self.holders.get(role, frozenset()) | self.holders.get("*", frozenset())

    @property
    def roles(self) -> frozenset[str]:
        return frozenset(self.holders) - {"*"}


def names(info: ValidationInfo) -> Names:
    """The names a validator is given as its context."""
    if not isinstance(info.context, Names):
        raise TypeError("tables of the configuration are validated with Names as their context")
    return info.context


def address_in(key: str, value: str) -> str:
    """The address written for a person under `slack`, `email` or `phone`; mail addresses in lower case."""
    return f"{_CHANNEL_KEYS[key]}:{value.lower() if key == 'email' else value}"


def _addresses(table: Mapping[str, Any]) -> Iterator[str]:
    yield from ("terminal", "web")
    for key, scheme in _CHANNEL_KEYS.items():
        if isinstance(table.get(key), str):
            yield scheme
            yield address_in(key, table[key])


def _grouped(pairs: Iterator[tuple[str, str]]) -> Mapping[str, frozenset[str]]:
    groups: dict[str, set[str]] = {}
    for group, member in pairs:
        groups.setdefault(group, set()).add(member)
    return {group: frozenset(members) for group, members in groups.items()}


def _tables(value: Any) -> dict[str, dict[str, Any]]:
    found = value if isinstance(value, dict) else {}
    return {key: table for key, table in found.items() if isinstance(table, dict)}


def _names_in(value: Any) -> list[str]:
    tables = value if isinstance(value, list) else []
    return [table["name"] for table in tables if isinstance(table, dict) and isinstance(table.get("name"), str)]


def _texts(value: Any) -> list[str]:
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []
