"""Addresses that replies can be sent to."""

from collections.abc import Collection

from agents.addresses import Address
from agents.errors import InvalidInput
from agents.people import People


def resolve_reply_address(address: Address, people: People, schemes: Collection[str]) -> Address:
    """Return an address on a channel of this process; a person's address becomes their terminal.

    Raises InvalidInput for an unknown person or channel.
    """
    if address.scheme == "person":
        if not (addresses := people.resolve_addresses(address, None)):
            raise InvalidInput(f"reply_to: {address} is not a known person")
        return addresses[0]
    if address.scheme not in schemes:
        available = ", ".join(sorted({*schemes, "person"}))
        raise InvalidInput(f"reply_to: unknown channel {address.scheme}; use one of: {available}")
    return address
