"""`[people.KEY]`: people with their roles and addresses."""

from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationInfo, create_model, field_validator

from agents.core.people import Person
from agents.core.values import Address, FrozenModel
from bot.config.file.references import ADDRESS_KEYS, BUILTIN_SCHEMES, RoleName, get_declared_names
from bot.config.messages import join_names, quote


class PersonFields(FrozenModel):
    """Keys of a person besides the addresses, which the channels define."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    roles: tuple[RoleName, ...] = ()

    @field_validator("name")
    @classmethod
    def _check_name(cls, value: str) -> str:
        if not value.isprintable():
            raise ValueError("must be one line of plain text")
        return value

    def to_person(self, key: str) -> Person:
        """Return the person with this key: `[people.KEY]`. It has the addresses of this table and the built-in ones."""
        written = {name: getattr(self, name) for name in ADDRESS_KEYS}
        addresses = [ADDRESS_KEYS[name].address_of(value) for name, value in written.items() if value is not None]
        return Person(
            key=key, name=self.name, roles=self.roles, addresses=(*map(Address, addresses), *builtin_addresses(key))
        )


def _check_address(value: str, info: ValidationInfo) -> str:
    known = ADDRESS_KEYS[info.field_name or ""]
    key = known.address_key
    if key is not None and not key.pattern.fullmatch(value):
        raise ValueError(f"must be written like {quote(key.example)} (found {quote(value)})")
    owners = get_declared_names(info).people_by_address[known.address_of(value)]
    if len(owners) > 1:
        raise ValueError(f"{quote(value)} belongs to {join_names(owners)}; give each address to one person only")
    return value


_WrittenAddress = Annotated[str, AfterValidator(_check_address)]
_ADDRESS_FIELDS: dict[str, Any] = dict.fromkeys(ADDRESS_KEYS, (_WrittenAddress | None, None))

PersonTable = create_model("PersonTable", __base__=PersonFields, **_ADDRESS_FIELDS)
"""Table of one person, with one key for each channel whose addresses are written."""


def builtin_addresses(key: str) -> tuple[Address, ...]:
    """Return the addresses of every person on Handrail's own channels: the terminal and the web page."""
    return tuple(Address(f"{scheme}:{key}") for scheme in BUILTIN_SCHEMES)
