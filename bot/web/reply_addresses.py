"""Where replies may be sent."""

from collections.abc import Collection

from agents.addresses import Address
from agents.errors import InvalidInput
from agents.people import People


def resolve_reply_address(address: Address, people: People, schemes: Collection[str]) -> Address:
    """An address on a channel of this process; a person is met at their terminal. Raises Invalid."""
    if address.scheme == "person":
        if not (reached := people.resolve_addresses(address, None)):
            raise InvalidInput(f"reply_to: nobody is known as {address}")
        return reached[0]
    if address.scheme not in schemes:
        there = ", ".join(sorted({*schemes, "person"}))
        raise InvalidInput(f"reply_to: no channel here takes {address.scheme}; there are: {there}")
    return address
