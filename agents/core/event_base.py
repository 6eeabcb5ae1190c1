"""Base class and field types of events."""

from typing import Annotated

from pydantic import AwareDatetime, Field

from agents.core.messages import Provenance
from agents.core.values import Address, FrozenModel

Trusted = Annotated[bool, Field(exclude_if=lambda trusted: not trusted)]
TrustedByDefault = Annotated[bool, Field(exclude_if=lambda trusted: trusted)]
"""Trust flags that are written only when they differ from their default, because old events do not have them."""


class EventBase(FrozenModel):
    """Fields of every event: schema version, time, actor, and how far its content may be trusted."""

    v: int = 1
    at: AwareDatetime
    actor: Address
    provenance: Provenance = Provenance.SYSTEM
