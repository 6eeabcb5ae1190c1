"""Base class and field types of events."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from agents.core.messages import Provenance
from agents.core.values import Address, FrozenModel

Trusted = Annotated[bool, Field(exclude_if=lambda trusted: not trusted)]
TrustedByDefault = Annotated[bool, Field(exclude_if=lambda trusted: trusted)]
"""Trust flags that are written only when they differ from their default, because old events do not have them."""

FailureStage = Literal["not_started", "check", "postponed"]
"""Stage of an attempt that failed, if it was not the run of the tool itself.

`not_started`: ToolStarted was recorded, but the tool did not run. `check`: Handrail failed to check whether an
earlier attempt had taken effect. `postponed`: the start was postponed, because earlier calls of the tool hang.
"""


class EventBase(FrozenModel):
    """Fields of every event: schema version, time, actor, and how far its content may be trusted."""

    v: int = 1
    at: AwareDatetime
    actor: Address
    provenance: Provenance = Provenance.SYSTEM
