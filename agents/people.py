"""The people Handrail knows, their roles, their names, and where each is reached."""

from collections.abc import Iterable, Mapping

from agents.addresses import Address, person_address
from agents.frozen import FrozenModel
from agents.visible_text import escape_hidden_characters

_GROUP_SCHEMES = ("role", "person")


class Person(FrozenModel):
    """One person of the configuration. A role `*` stands for every role."""

    key: str
    name: str
    roles: tuple[str, ...] = ()
    addresses: tuple[Address, ...] = ()

    def has_role(self, role: str) -> bool:
        return role in self.roles or "*" in self.roles


class People(FrozenModel):
    """Everybody, by key."""

    members: tuple[Person, ...] = ()

    def get(self, address: Address) -> Person | None:
        """The person behind `person:KEY` or behind one of their addresses; None for a stranger."""
        key = address.id if address.scheme == "person" else None
        return next((p for p in self.members if p.key == key or address in p.addresses), None)

    def met_at(self, address: Address) -> Person | None:
        """Return the person who is met at an address, also at a terminal of their key or as a member of Slack."""
        if (who := self.get(address)) is not None:
            return who
        if address.scheme == "terminal":
            return self.get(person_address(address.id))
        if address.scheme != "slack":
            return None
        member = address.id.rpartition("/")[2]
        return next((p for p in self.members if any(_is_member(at, member) for at in p.addresses)), None)

    def name_of(self, address: Address) -> str:
        """Return the name of the person behind an address, or what stands in it, visible."""
        who = self.get(address)
        return escape_hidden_characters(who.name if who else address.id)

    def names_of(self, addresses: Iterable[Address]) -> dict[str, str]:
        """Return the names of those who are met at the addresses, by address; strangers are left out."""
        met = {str(address): self.met_at(address) for address in addresses}
        return {address: who.name for address, who in met.items() if who is not None}

    def with_role(self, role: str) -> tuple[Person, ...]:
        return tuple(p for p in self.members if p.has_role(role))

    def resolve_addresses(self, to: Address, via: str | None) -> tuple[Address, ...]:
        """The addresses behind `role:X` or `person:X` on the channel `via`, each once; any other stands for itself.

        A person who has none there is left out.
        """
        if to.scheme not in _GROUP_SCHEMES:
            return (to,)
        return tuple(dict.fromkeys(at for who in self._group_members(to) if (at := _address_on(who, via)) is not None))

    def people_without_address(self, to: Address, via: str | None) -> tuple[Person, ...]:
        """Return the people behind `role:X` or `person:X` who have no address on the channel `via`."""
        return tuple(who for who in self._group_members(to) if _address_on(who, via) is None)

    def is_unknown_group(self, to: Address) -> bool:
        """Return whether `role:X` or `person:X` names no one who is known here."""
        return to.scheme in _GROUP_SCHEMES and not self._group_members(to)

    def _group_members(self, to: Address) -> tuple[Person, ...]:
        if to.scheme == "role":
            return self.with_role(to.id)
        return tuple(filter(None, [self.get(to)])) if to.scheme == "person" else ()

    def direct_addresses(self, owner: Address, preferred_scheme: str) -> tuple[Address, ...]:
        """Where somebody is met alone, the addresses on the channel `first` before others, the terminal last.

        A stranger has the address they came from.
        """
        if (who := self.get(owner)) is None:
            return () if owner.scheme in ("person", "role", "agent", "system") else (owner,)
        own = sorted(who.addresses, key=lambda address: address.scheme != preferred_scheme)
        return tuple(dict.fromkeys((*own, Address(f"terminal:{who.key}"))))


def name_in(names: Mapping[str, str], address: str) -> str:
    """Return the name that goes with an address, or what stands in it, visible."""
    return escape_hidden_characters(names.get(address) or address.partition(":")[2])


def _is_member(address: Address, member: str) -> bool:
    """Return whether an address is a member of Slack, with or without their team before the id."""
    return address.scheme == "slack" and address.id.rpartition("/")[2] == member


def _address_on(person: Person, via: str | None) -> Address | None:
    """Return the person's address on a channel. Everybody has a terminal, under their key."""
    fallback = Address(f"terminal:{person.key}") if via in (None, "terminal") else None
    return next((a for a in person.addresses if a.scheme == via), fallback)
