"""Values of the core: their base class, addresses (`scheme:id`), and the time and ids of one decision."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema


class FrozenModel(BaseModel):
    """An immutable value. Unknown fields are refused, in a copy as well as in a new value."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy with some fields replaced. Raises TypeError for unknown fields, which pydantic would add."""
        if update and (unknown := update.keys() - type(self).model_fields.keys()):
            raise TypeError(f"{type(self).__name__} has no field {', '.join(sorted(unknown))}")
        return super().model_copy(update=update, deep=deep)


_ADDRESS_PATTERN = re.compile(r"[a-z][a-z0-9_]*:[^\s:]\S*", re.ASCII)
_MAX_LENGTH = 320  # an email address has at most 254 characters (RFC 5321 §4.5.3.1.3), plus the scheme and a margin


class Address(str):
    """Address such as `slack:C1:1699.12`, `terminal:alice`, `person:alice`, `role:oncall` or `agent:deploy`.

    Raises ValueError when the text does not have this form or contains characters that do not print, because cards
    show addresses.
    """

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        if len(text) > _MAX_LENGTH or not _ADDRESS_PATTERN.fullmatch(text) or not text.isprintable():
            raise ValueError(f"{text[:80]!r} is not an address; write it like person:alice or slack:C0OPS")
        return super().__new__(cls, text)

    @property
    def scheme(self) -> str:
        return self.partition(":")[0]

    @property
    def id(self) -> str:
        return self.partition(":")[2]

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(cls, core_schema.str_schema())


def person_address(key: str) -> Address:
    """Return the address of a configured person."""
    return Address(f"person:{key}")


ENGINE = Address("system:engine")
CLOCK = Address("system:clock")
"""Actors of events that no person, agent or tool caused: the engine that continues threads, and deadlines."""


REQUEST_CODE_ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Characters of codes that people read aloud and type, without the look-alikes 0/O, 1/I/L and U/V."""
REQUEST_CODE_LENGTH = 5


class EventStamp(FrozenModel):
    """Values for new events: the time in UTC, a suffix of new ids (`call_` + `new_id`), and a code for a request."""

    now: datetime
    new_id: str
    new_code: str
