"""The configured people with their roles, names and addresses."""

from collections.abc import Iterable, Mapping

from agents.core.values import Address, FrozenModel, person_address
from agents.core.visible_text import escape_hidden_characters

_GROUP_SCHEMES = ("role", "person")
"""Schemes of addresses that name configured people; messages go to those people's own addresses."""


class Person(FrozenModel):
    """A configured person. The role `*` stands for all roles."""

    key: str
    name: str
    roles: tuple[str, ...] = ()
    addresses: tuple[Address, ...] = ()

    def has_role(self, role: str) -> bool:
        return role in self.roles or "*" in self.roles


class People(FrozenModel):
    """All configured people."""

    members: tuple[Person, ...] = ()

    def get(self, address: Address) -> Person | None:
        """Return the person with `person:KEY` or with this configured address; None if unknown."""
        key = address.id if address.scheme == "person" else None
        return next((p for p in self.members if p.key == key or address in p.addresses), None)

    def find_at(self, address: Address) -> Person | None:
        """Return the person who is reached at an address, including `terminal:KEY` and Slack users of any workspace."""
        if (person := self.get(address)) is not None:
            return person
        if address.scheme == "terminal":
            return self.get(person_address(address.id))
        if address.scheme != "slack":
            return None
        member = address.id.rpartition("/")[2]
        return next((p for p in self.members if any(_is_member(at, member) for at in p.addresses)), None)

    def name_of(self, address: Address) -> str:
        """Return the name of the person at an address, or else the id in it, with hidden characters escaped."""
        person = self.get(address)
        return escape_hidden_characters(person.name if person else address.id)

    def names_of(self, addresses: Iterable[Address]) -> dict[str, str]:
        """Return the names of the people at these addresses, by address; unknown people are left out."""
        found = {str(address): self.find_at(address) for address in addresses}
        return {address: person.name for address, person in found.items() if person is not None}

    def with_role(self, role: str) -> tuple[Person, ...]:
        return tuple(p for p in self.members if p.has_role(role))

    def resolve_addresses(self, to: Address, via: str | None) -> tuple[Address, ...]:
        """Return the addresses of `role:X` or `person:X` on the channel `via`, without repetition.

        Any other address is returned as it is. People without an address on the channel are left out.
        """
        if to.scheme not in _GROUP_SCHEMES:
            return (to,)
        return tuple(
            dict.fromkeys(at for person in self._group_members(to) if (at := _address_on(person, via)) is not None)
        )

    def people_without_address(self, to: Address, via: str | None) -> tuple[Person, ...]:
        """Return the people of `role:X` or `person:X` who have no address on the channel `via`."""
        return tuple(person for person in self._group_members(to) if _address_on(person, via) is None)

    def is_unknown_group(self, to: Address) -> bool:
        """Return whether `role:X` or `person:X` has no configured person."""
        return to.scheme in _GROUP_SCHEMES and not self._group_members(to)

    def _group_members(self, to: Address) -> tuple[Person, ...]:
        if to.scheme == "role":
            return self.with_role(to.id)
        return tuple(filter(None, [self.get(to)])) if to.scheme == "person" else ()

    def direct_addresses(self, owner: Address, preferred_scheme: str) -> tuple[Address, ...]:
        """Return the addresses for asking a person directly, those with `preferred_scheme` first, the terminal last.

        An unknown person has only the address that they wrote from.
        """
        if (person := self.get(owner)) is None:
            return () if owner.scheme in ("person", "role", "agent", "system") else (owner,)
        direct = sorted(person.addresses, key=lambda address: address.scheme != preferred_scheme)
        return tuple(dict.fromkeys((*direct, Address(f"terminal:{person.key}"))))


def name_in(names: Mapping[str, str], address: str) -> str:
    """Return the name for an address, or else the id in it, with hidden characters escaped."""
    return escape_hidden_characters(names.get(address) or address.partition(":")[2])


def _is_member(address: Address, member: str) -> bool:
    """Return whether an address is this Slack user, with or without a team id before the user id."""
    return address.scheme == "slack" and address.id.rpartition("/")[2] == member


def _address_on(person: Person, via: str | None) -> Address | None:
    """Return the person's address on a channel. Each person has a terminal address under their key."""
    fallback = Address(f"terminal:{person.key}") if via in (None, "terminal") else None
    return next((a for a in person.addresses if a.scheme == via), fallback)
