"""Where replies may be sent."""

from collections.abc import Collection

from agents.addresses import Address
from agents.errors import Invalid
from agents.people import People


def destination(to: Address, people: People, schemes: Collection[str]) -> Address:
    """An address on a channel of this process; a person is met at their terminal. Raises Invalid."""
    if to.scheme == "person":
        if not (reached := people.reached(to, None)):
            raise Invalid(f"reply_to: nobody is known as {to}")
        return reached[0]
    if to.scheme not in schemes:
        there = ", ".join(sorted({*schemes, "person"}))
        raise Invalid(f"reply_to: no channel here takes {to.scheme}; there are: {there}")
    return to
