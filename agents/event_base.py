"""Fact: the facts that every event carries, whatever its type."""

from typing import Annotated

from pydantic import AwareDatetime, Field

from agents.addresses import Address
from agents.frozen import FrozenModel
from agents.messages import Provenance

Trusted = Annotated[bool, Field(exclude_if=lambda trusted: not trusted)]
TrustedByDefault = Annotated[bool, Field(exclude_if=lambda trusted: trusted)]
"""Facts with their usual value are not written, as before they were there."""


class EventBase(FrozenModel):
    """What every event carries: the version of its form, when, by whom, and how far its content may be trusted."""

    v: int = 1
    at: AwareDatetime
    actor: Address
    provenance: Provenance = Provenance.SYSTEM
