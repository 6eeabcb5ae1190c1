"""Lookup of people by address and role, and of their addresses."""

import pytest

from agents.core.people import People, Person
from agents.core.values import Address, person_address
from tests.harness.people import ALICE, BOB, CAROL, STRANGER
from tests.histories import CAROL_PHONE, PEOPLE


@pytest.mark.parametrize("address", ["person:alice", "terminal:alice", "email:alice@example.com"])
def test_person_is_found_at_each_address(address: str) -> None:
    found = PEOPLE.get(Address(address))
    assert found is not None
    assert found.key == "alice"


@pytest.mark.parametrize("address", ["web:alice", "person:Alice", "person:mallory", "role:release", "web:stranger"])
def test_unknown_address_has_no_person(address: str) -> None:
    assert PEOPLE.get(Address(address)) is None


def test_star_role_includes_every_role() -> None:
    boss = Person(key="boss", name="Boss", roles=("*",))
    everybody = People(members=(*PEOPLE.members, boss))
    assert [p.key for p in everybody.with_role("release")] == ["bob", "carol", "boss"]
    assert [p.key for p in everybody.with_role("nothing")] == ["boss"]


@pytest.mark.parametrize(
    ("to", "via", "reached"),
    [
        (Address("role:oncall"), "sms", (CAROL_PHONE,)),
        (Address("role:release"), "terminal", (Address("terminal:bob"), Address("terminal:carol"))),
        (ALICE, "email", (Address("email:alice@example.com"),)),
        (CAROL, None, (Address("terminal:carol"),)),
        (CAROL, "email", ()),
        (Address("role:release"), "sms", (CAROL_PHONE,)),
        (Address("role:nobody"), "sms", ()),
        (person_address("mallory"), "sms", ()),
        (Address("slack:C0OPS"), "sms", (Address("slack:C0OPS"),)),
        (STRANGER, None, (STRANGER,)),
    ],
)
def test_role_and_person_resolve_on_the_channel(to: Address, via: str | None, reached: tuple[Address, ...]) -> None:
    assert PEOPLE.resolve_addresses(to, via) == reached


def test_shared_address_is_returned_once() -> None:
    shared = Address("slack:C0OPS")
    pair = tuple(Person(key=key, name=key, roles=("oncall",), addresses=(shared,)) for key in ("dave", "erin"))
    assert People(members=pair).resolve_addresses(Address("role:oncall"), "slack") == (shared,)


def test_empty_people_know_no_address() -> None:
    assert People().get(BOB) is None
    assert People().with_role("*") == ()
