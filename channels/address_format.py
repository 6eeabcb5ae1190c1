"""Formats of addresses in `handrail.toml`, one for each channel."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from agents.core.values import Address


@dataclass(frozen=True)
class AddressKey:
    """Key of `[people.KEY]` for the address of a person on a channel.

    The value must match `pattern`; `example` is shown for one that does not. `normalize` returns the form by which
    addresses are compared.
    """

    name: str
    pattern: re.Pattern[str]
    example: str
    normalize: Callable[[str], str] = str


def _accept(_: Address) -> None:
    """Accept any address."""


@dataclass(frozen=True)
class AddressFormat:
    """Format of the addresses of a channel, `SCHEME:ID`.

    The id of an address to which something is sent must match `pattern`, if there is one; `example` is shown for one
    that does not. `check_destination` raises Permanent with the reason why nothing can be sent to an address. If the
    channel `has_every_person`, each person has the address `SCHEME:KEY` there, with the key of the person.
    """

    scheme: str
    address_key: AddressKey | None = None
    pattern: re.Pattern[str] | None = None
    example: str = ""
    check_destination: Callable[[Address], object] = _accept
    has_every_person: bool = False

    def address_of(self, value: str) -> str:
        """Return the address for the value of a person's key."""
        return f"{self.scheme}:{self.address_key.normalize(value) if self.address_key else value}"
