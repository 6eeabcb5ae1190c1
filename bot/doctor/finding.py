"""What the doctor finds."""

from typing import Literal

from agents.frozen import Frozen

State = Literal["ok", "warning", "problem"]


class Finding(Frozen):
    """One thing that was looked at. `fix` says what to do; a problem keeps Handrail from working."""

    name: str
    state: State
    told: str
    fix: str | None = None
