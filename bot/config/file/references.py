"""Types for durations, names and references in `handrail.toml`. A reference must refer to something that exists."""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, ValidationInfo

from agents.core.errors import Permanent
from agents.core.values import Address
from bot.config.file.conditions import ArgumentModels
from bot.config.messages import closest_name, describe_unknown_name, quote, suggest_name
from channels.address_format import AddressFormat
from channels.registry import list_address_formats

_DURATION_PATTERN = re.compile(r"([1-9][0-9]{0,8})([smhd])", re.ASCII)
_SECONDS_BY_UNIT = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_MAX_DAYS = 366  # a year: more than any useful duration, and far below the overflow of dates


def parse_duration(text: str) -> int:
    """Parse a duration to seconds. Raises ValueError with examples."""
    parts = _DURATION_PATTERN.fullmatch(text)
    if parts is None:
        raise ValueError(f'must be a duration like "90s", "5m", "2h" or "7d" (found "{text[:40]}")')
    total = int(parts[1]) * _SECONDS_BY_UNIT[parts[2]]
    if total > _MAX_DAYS * _SECONDS_BY_UNIT["d"]:
        raise ValueError(f'must be at most "{_MAX_DAYS}d" (found "{text}")')
    return total


def _validate_duration(value: Any) -> int:
    if isinstance(value, str):
        return parse_duration(value)
    raise ValueError('must be a duration in quotes, like "90s", "5m", "2h" or "7d"')


Duration = Annotated[int, BeforeValidator(_validate_duration)]
"""Seconds, parsed from text with a unit."""


ADDRESS_FORMATS: Mapping[str, AddressFormat] = {known.scheme: known for known in list_address_formats()}
"""Formats of the addresses on channels, by scheme."""

ADDRESS_KEYS: Mapping[str, AddressFormat] = {
    known.address_key.name: known for known in ADDRESS_FORMATS.values() if known.address_key
}
"""Formats of the addresses that are written in the table of a person, by key."""

BUILTIN_SCHEMES = tuple(known.scheme for known in ADDRESS_FORMATS.values() if known.has_every_person)
"""Schemes of the channels on which every person has an address."""

_ADDRESS_SCHEMES = (*ADDRESS_FORMATS, "webhook", "person", "role")


@dataclass(frozen=True)
class DeclaredNames:
    """Names that the file may refer to. `people_by_address` has both whole addresses and schemes, such as `web`.

    `is_complete` is False when agents that could not be imported may have other names and tools. Then unknown ones are
    accepted, so that a broken agent does not prevent a start, unless they resemble a known name.
    """

    tools: ArgumentModels
    agents: frozenset[str]
    people: frozenset[str]
    people_by_role: Mapping[str, frozenset[str]]
    people_by_address: Mapping[str, frozenset[str]]
    webhooks: Counter[str]
    schedules: Counter[str]
    is_complete: bool = True

    @classmethod
    def from_document(
        cls, document: Mapping[str, Any], *, tools: ArgumentModels, agents: Collection[str], is_complete: bool = True
    ) -> Self:
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
            is_complete=is_complete,
        )

    def people_with_role(self, role: str) -> frozenset[str]:
        """Return the people with a role; `*` as the role of approvers means all people."""
        if role == "*":
            return self.people
        return self.people_by_role.get(role, frozenset()) | self.people_by_role.get("*", frozenset())

    def may_exist(self, name: str, known: Collection[str]) -> bool:
        """Return whether an agent that could not be imported may have the unknown name."""
        return not self.is_complete and closest_name(name, known) is None

    @property
    def roles(self) -> frozenset[str]:
        return frozenset(self.people_by_role) - {"*"}


def get_declared_names(info: ValidationInfo) -> DeclaredNames:
    """Return the names from the context of a validator."""
    if not isinstance(info.context, DeclaredNames):
        raise TypeError("tables of the configuration must be validated with DeclaredNames as the context")
    return info.context


def _list_addresses_and_schemes(table: Mapping[str, Any]) -> Iterator[str]:
    """Yield the addresses of a person, and the schemes of these and of the built-in addresses."""
    yield from BUILTIN_SCHEMES
    for key, known in ADDRESS_KEYS.items():
        if isinstance(table.get(key), str):
            yield known.scheme
            yield known.address_of(table[key])


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


_NAME_PATTERN = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)


def _check_name(value: str) -> str:
    if not _NAME_PATTERN.fullmatch(value):
        raise ValueError(
            "must be 1 to 64 of a-z, 0-9, dot, dash and underscore, starting with a letter or digit "
            f"(found {quote(value)})"
        )
    return value


def _check_role(value: str) -> str:
    return value if value == "*" else _check_name(value)


def _check_held_role(value: str, info: ValidationInfo) -> str:
    known = get_declared_names(info)
    if not known.people_with_role(value):
        raise ValueError(_describe_unheld_role(value, known))
    return value


def _check_person(value: str, info: ValidationInfo) -> str:
    known = get_declared_names(info).people
    if value not in known:
        raise ValueError(describe_unknown_name("person", value, known))
    return value


def _check_tool(value: str, info: ValidationInfo) -> str:
    names = get_declared_names(info)
    if value != "*" and value not in names.tools and not names.may_exist(value, names.tools):
        raise ValueError(describe_unknown_name("tool", value, names.tools))
    return value


def _check_agent(value: str, info: ValidationInfo) -> str:
    names = get_declared_names(info)
    known = names.agents
    if value not in known and not names.may_exist(value, known):
        has_closest = closest_name(value, known) is not None
        advice = "" if has_closest else "; use one of these, or add this one first (docs/howto/add-an-agent.md)"
        raise ValueError(f"{describe_unknown_name('agent', value, known)}{advice}")
    return value


def _check_address(address: Address, info: ValidationInfo) -> Address:
    known = get_declared_names(info)
    match address.scheme:
        case "person":
            _check_person(address.id, info)
        case scheme if scheme in BUILTIN_SCHEMES and closest_name(address.id, known.people):
            _check_person(address.id, info)
        case "role" if address.id == "*":
            raise ValueError('"role:*" is not a role that can be reached; name a role')
        case "role":
            _check_held_role(address.id, info)
        case "webhook" if address.id not in known.webhooks:
            raise ValueError(describe_unknown_name("webhook", address.id, known.webhooks))
        case scheme:
            _check_channel_address(scheme, address)
    return address


def _check_channel_address(scheme: str, address: Address) -> None:
    if scheme not in _ADDRESS_SCHEMES:
        raise ValueError(f"{quote(scheme)} is not a type of address; {suggest_name(scheme, _ADDRESS_SCHEMES)}")
    if (known := ADDRESS_FORMATS.get(scheme)) is None:
        return
    if known.pattern is not None and not known.pattern.fullmatch(address.id):
        raise ValueError(f"must be written like {quote(known.example)} (found {quote(address)})")
    try:
        known.check_destination(address)
    except Permanent as error:
        raise ValueError(str(error)) from None


def _describe_unheld_role(role: str, known: DeclaredNames) -> str:
    if not known.roles:
        return f"no person has the role {quote(role)}, or any other role"
    return f"no person has the role {quote(role)}; {suggest_name(role, known.roles)}"


Name = Annotated[str, AfterValidator(_check_name)]
"""Name of a person, a webhook or a schedule; it may be part of addresses and URLs."""

RoleName = Annotated[str, AfterValidator(_check_role)]
"""Role of a person; `*` is every role."""

HeldRole = Annotated[str, AfterValidator(_check_held_role)]
"""Role that at least one person has; for approvers, `*` means all people."""

KnownPerson = Annotated[str, AfterValidator(_check_person)]
"""Key of a person in the file."""

KnownTool = Annotated[str, AfterValidator(_check_tool)]
"""Tool of any agent, or `*` for every tool."""

KnownAgent = Annotated[str, AfterValidator(_check_agent)]
"""Name of an existing agent."""

KnownAddress = Annotated[Address, AfterValidator(_check_address)]
"""Address on a channel, or of a person, a role or a webhook in the file."""


def check_unique(kind: str, value: str, count: int) -> str:
    """Return the name. Raises ValueError if `count`, the number of tables of this kind with the name, is above 1."""
    if count > 1:
        raise ValueError(f"{quote(value)} is the name of {count} {kind}; each needs its own")
    return value
