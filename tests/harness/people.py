"""The people of all tests: Alice sends requests, Bob and Carol may approve releases; a stranger is not configured.

A suite that needs other roles, names or addresses derives its people from `PEOPLE`.
"""

from typing import Any

from agents.core.people import People, Person
from agents.core.values import Address, person_address

PERSON_KEYS = ("alice", "bob", "carol")
ALICE, BOB, CAROL = map(person_address, PERSON_KEYS)
STRANGER = Address("web:stranger")
PEOPLE = People(
    members=(
        Person(key="alice", name="Alice", roles=("dev",), addresses=(Address("terminal:alice"),)),
        Person(key="bob", name="Bob", roles=("release",), addresses=(Address("terminal:bob"),)),
        Person(key="carol", name="Carol", roles=("release",), addresses=(Address("terminal:carol"),)),
    )
)
TOKENS = {key: f"secret-{key}" for key in PERSON_KEYS}
"""API token of each person."""

SLACK_USERS = {name: f"U0{name.upper()}" for name in (*PERSON_KEYS, "eve")}
"""Slack user ids. Eve is in the workspace but not in the configuration."""


def with_roles(people: People, **roles: tuple[str, ...]) -> People:
    """Return the people with other roles for these keys."""
    return _with_field(people, "roles", roles)


def with_addresses(people: People, **addresses: tuple[str, ...]) -> People:
    """Return the people with other addresses for these keys."""
    return _with_field(people, "addresses", {key: tuple(map(Address, new)) for key, new in addresses.items()})


def to_toml(people: People) -> str:
    """Return the people as text of a `handrail.toml`, without terminal addresses, which have no setting."""
    return "\n".join(map(_person_table, people.members))


def _with_field(people: People, field: str, values: dict[str, Any]) -> People:
    members = (p.model_copy(update={field: values[p.key]}) if p.key in values else p for p in people.members)
    return People(members=tuple(members))


def _person_table(person: Person) -> str:
    addresses = (f'{a.scheme} = "{a.id}"\n' for a in person.addresses if a.scheme != "terminal")
    roles = ", ".join(f'"{role}"' for role in person.roles)
    return f'[people.{person.key}]\nname = "{person.name}"\nroles = [{roles}]\n{"".join(addresses)}'


SLACK_PEOPLE = with_addresses(
    _with_field(PEOPLE, "name", {"alice": "Alice Ng", "bob": "Bob Ito", "carol": "Carol Diaz"}),
    alice=("slack:U0ALICE",),
    bob=("slack:T0TEAM/U0BOB",),
    carol=("slack:U0CAROL",),
)
"""The people with full names, as in a Slack workspace, and with their Slack users."""

EMAIL_DOMAIN = "corp.test"
EMAIL_ADDRESSES = {key: f"{key}@{EMAIL_DOMAIN}" for key in PERSON_KEYS}
EMAIL_PEOPLE = with_addresses(
    _with_field(PEOPLE, "name", {"alice": "Alice Ng", "bob": "Bob Ito", "carol": "Carol Diaz"}),
    **{key: (f"email:{address}",) for key, address in EMAIL_ADDRESSES.items()},
)
"""The people with full names and one email address each."""

PHONE_NUMBERS = {"alice": "+15550001001", "bob": "+15550001002", "carol": "+15550001003"}
SMS_PEOPLE = with_addresses(
    _with_field(PEOPLE, "name", {"alice": "Alice Ng", "bob": "Bob Ito", "carol": "Carol Diaz"}),
    **{key: (f"sms:{number}",) for key, number in PHONE_NUMBERS.items()},
)
"""The people with full names and one phone number each."""
