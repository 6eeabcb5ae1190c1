"""`[people.KEY]`: who there is, with which roles, reached where."""

import re
from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from agents.addresses import Address
from agents.frozen import Frozen
from agents.people import Person
from bot.config_file.names import address_in, names
from bot.config_file.references import Role
from bot.mistakes import listed, quoted

_SHAPES = {
    "slack": (re.compile(r"(T[A-Z0-9]{2,20}/)?[UW][A-Z0-9]{2,20}", re.ASCII), "U0ALICE"),
    "email": (re.compile(r"[^@\s\x00-\x1f\x7f:<>,]{1,64}@[^@\s\x00-\x1f\x7f:<>,]{1,189}"), "alice@example.com"),
    "phone": (re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII), "+15550001001"),  # E.164 allows at most 15 digits
}


class PersonTable(Frozen):
    """One person as written."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    roles: tuple[Role, ...] = ()
    slack: str | None = None
    email: str | None = None
    phone: str | None = None

    @field_validator("name")
    @classmethod
    def _one_line(cls, value: str) -> str:
        if not value.isprintable():
            raise ValueError("must be one line of plain text")
        return value

    @field_validator("slack", "email", "phone")
    @classmethod
    def _leads_to_one_person(cls, value: str, info: ValidationInfo) -> str:
        key = info.field_name or ""
        shape, example = _SHAPES[key]
        if not shape.fullmatch(value):
            raise ValueError(f"must be written like {quoted(example)} (found {quoted(value)})")
        owners = names(info).owners[address_in(key, value)]
        if len(owners) > 1:
            raise ValueError(f"{quoted(value)} is given to {listed(owners)}; an address leads to one person")
        return value

    def person(self, key: str) -> Person:
        """The person the core knows; everybody is also reached in the terminal and on the web page by their key."""
        written = {"slack": self.slack, "email": self.email, "phone": self.phone}
        addresses = [address_in(channel, value) for channel, value in written.items() if value is not None]
        return Person(key=key, name=self.name, roles=self.roles, addresses=(*map(Address, addresses), *at_home(key)))


def at_home(key: str) -> tuple[Address, Address]:
    """Where everybody is reached without an account: in the terminal and on the web page of Handrail itself."""
    return Address(f"terminal:{key}"), Address(f"web:{key}")
