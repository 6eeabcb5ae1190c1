"""The people Handrail knows, their roles, and where each is reached."""

from agents.addresses import Address, person
from agents.frozen import Frozen

_GROUPS = ("role", "person")


class Person(Frozen):
    """One person of the configuration. A role `*` stands for every role."""

    key: str
    name: str
    roles: tuple[str, ...] = ()
    addresses: tuple[Address, ...] = ()

    def has_role(self, role: str) -> bool:
        return role in self.roles or "*" in self.roles


class People(Frozen):
    """Everybody, by key."""

    everybody: tuple[Person, ...] = ()

    def get(self, address: Address) -> Person | None:
        """The person behind `person:KEY` or behind one of their addresses; None for a stranger."""
        return next((p for p in self.everybody if address == person(p.key) or address in p.addresses), None)

    def with_role(self, role: str) -> tuple[Person, ...]:
        return tuple(p for p in self.everybody if p.has_role(role))

    def reached(self, to: Address, via: str | None) -> tuple[Address, ...]:
        """The addresses behind `role:X` or `person:X` on the channel `via`, each once; any other stands for itself.

        A person who has none there is left out.
        """
        if to.scheme not in _GROUPS:
            return (to,)
        return tuple(dict.fromkeys(at for who in self._behind(to) if (at := _on(who, via)) is not None))

    def unreached(self, to: Address, via: str | None) -> tuple[Person, ...]:
        """Return the people behind `role:X` or `person:X` who have no address on the channel `via`."""
        return tuple(who for who in self._behind(to) if _on(who, via) is None)

    def is_empty(self, to: Address) -> bool:
        """Return whether `role:X` or `person:X` names no one who is known here."""
        return to.scheme in _GROUPS and not self._behind(to)

    def _behind(self, to: Address) -> tuple[Person, ...]:
        if to.scheme == "role":
            return self.with_role(to.rest)
        return tuple(filter(None, [self.get(to)])) if to.scheme == "person" else ()

    def own_addresses(self, of: Address, first: str) -> tuple[Address, ...]:
        """Where somebody is met alone, the addresses on the channel `first` before others, the terminal last.

        A stranger has the address they came from.
        """
        if (who := self.get(of)) is None:
            return () if of.scheme in ("person", "role", "agent", "system") else (of,)
        own = sorted(who.addresses, key=lambda address: address.scheme != first)
        return tuple(dict.fromkeys((*own, Address(f"terminal:{who.key}"))))


def _on(who: Person, via: str | None) -> Address | None:
    """Return the person's address on a channel. Everybody has a terminal, under their key."""
    fallback = Address(f"terminal:{who.key}") if via in (None, "terminal") else None
    return next((a for a in who.addresses if a.scheme == via), fallback)
