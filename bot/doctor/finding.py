"""What the doctor finds."""

from typing import Literal

from pydantic import JsonValue

from agents.frozen import FrozenModel

FindingState = Literal["ok", "warning", "problem"]


class Finding(FrozenModel):
    """One thing that was looked at. `fix` says what to do; a problem keeps Handrail from working.

    `data` is what `told` says of a database that is shared, for programs that watch it.
    """

    name: str
    state: FindingState
    message: str
    fix: str | None = None
    data: dict[str, JsonValue] | None = None
