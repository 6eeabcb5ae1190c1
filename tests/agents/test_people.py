"""People: who is behind an address, who holds a role, and where each is reached."""

import pytest

from agents.addresses import Address, person_address
from agents.people import People, Person
from tests.agents.factories import ALICE, BOB, CAROL, PEOPLE, PHONE, STRANGER


@pytest.mark.parametrize("address", ["person:alice", "terminal:alice", "email:alice@example.com"])
def test_one_person_is_found_behind_each_of_their_addresses(address: str) -> None:
    found = PEOPLE.get(Address(address))
    assert found is not None
    assert found.key == "alice"


@pytest.mark.parametrize("address", ["web:alice", "person:Alice", "person:mallory", "role:release", "web:stranger"])
def test_a_stranger_is_nobody(address: str) -> None:
    assert PEOPLE.get(Address(address)) is None


def test_roles_are_held_by_name_and_a_star_holds_every_role() -> None:
    boss = Person(key="boss", name="Boss", roles=("*",))
    everybody = People(members=(*PEOPLE.members, boss))
    assert [p.key for p in everybody.with_role("release")] == ["bob", "carol", "boss"]
    assert [p.key for p in everybody.with_role("nothing")] == ["boss"]


@pytest.mark.parametrize(
    ("to", "via", "reached"),
    [
        (Address("role:oncall"), "sms", (PHONE,)),
        (Address("role:release"), "terminal", (Address("terminal:bob"), Address("terminal:carol"))),
        (ALICE, "email", (Address("email:alice@example.com"),)),
        (CAROL, None, (Address("terminal:carol"),)),
        (CAROL, "email", ()),
        (Address("role:release"), "sms", (PHONE,)),
        (Address("role:nobody"), "sms", ()),
        (person_address("mallory"), "sms", ()),
        (Address("slack:C0OPS"), "sms", (Address("slack:C0OPS"),)),
        (STRANGER, None, (STRANGER,)),
    ],
)
def test_a_role_or_a_person_is_reached_on_the_named_channel(
    to: Address, via: str | None, reached: tuple[Address, ...]
) -> None:
    assert PEOPLE.resolve_addresses(to, via) == reached


def test_people_who_share_an_address_are_asked_there_once() -> None:
    shared = Address("slack:C0OPS")
    pair = tuple(Person(key=key, name=key, roles=("oncall",), addresses=(shared,)) for key in ("dave", "erin"))
    assert People(members=pair).resolve_addresses(Address("role:oncall"), "slack") == (shared,)


def test_nobody_is_known_in_an_empty_house() -> None:
    assert People().get(BOB) is None
    assert People().with_role("*") == ()
