"""What the doctor finds."""

from typing import Literal

from pydantic import JsonValue

from agents.frozen import Frozen

State = Literal["ok", "warning", "problem"]


class Finding(Frozen):
    """One thing that was looked at. `fix` says what to do; a problem keeps Handrail from working.

    `data` is what `told` says of a database that is shared, for programs that watch it.
    """

    name: str
    state: State
    told: str
    fix: str | None = None
    data: dict[str, JsonValue] | None = None
