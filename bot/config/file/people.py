"""`[people.KEY]`: people with their roles and addresses."""

import re
from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from agents.core.people import Person
from agents.core.values import Address, FrozenModel
from bot.config.file.references import RoleName, format_address, get_declared_names
from bot.config.messages import join_names, quote

_ADDRESS_FORMATS = {
    "slack": (re.compile(r"(T[A-Z0-9]{2,20}/)?[UW][A-Z0-9]{2,20}", re.ASCII), "U0ALICE"),
    "email": (re.compile(r"[^@\s\x00-\x1f\x7f:<>,]{1,64}@[^@\s\x00-\x1f\x7f:<>,]{1,189}"), "alice@example.com"),
    "phone": (re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII), "+15550001001"),  # E.164 allows at most 15 digits
}


class PersonTable(FrozenModel):
    """Table of one person."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    roles: tuple[RoleName, ...] = ()
    slack: str | None = None
    email: str | None = None
    phone: str | None = None

    @field_validator("name")
    @classmethod
    def _check_name(cls, value: str) -> str:
        if not value.isprintable():
            raise ValueError("must be one line of plain text")
        return value

    @field_validator("slack", "email", "phone")
    @classmethod
    def _check_address(cls, value: str, info: ValidationInfo) -> str:
        field = info.field_name or ""
        pattern, example = _ADDRESS_FORMATS[field]
        if not pattern.fullmatch(value):
            raise ValueError(f"must be written like {quote(example)} (found {quote(value)})")
        owners = get_declared_names(info).people_by_address[format_address(field, value)]
        if len(owners) > 1:
            raise ValueError(f"{quote(value)} belongs to {join_names(owners)}; give each address to one person only")
        return value

    def to_person(self, key: str) -> Person:
        """Return the person with this key: `[people.KEY]`. It has the addresses of this table and the built-in ones."""
        written = {"slack": self.slack, "email": self.email, "phone": self.phone}
        addresses = [format_address(field, value) for field, value in written.items() if value is not None]
        return Person(
            key=key, name=self.name, roles=self.roles, addresses=(*map(Address, addresses), *builtin_addresses(key))
        )


def builtin_addresses(key: str) -> tuple[Address, Address]:
    """Return the addresses of every person on Handrail's own channels: the terminal and the web page."""
    return Address(f"terminal:{key}"), Address(f"web:{key}")
