"""Finding: the result of one check of `handrail doctor`."""

from datetime import timedelta
from typing import Literal

from pydantic import Field, JsonValue

from agents.core.values import FrozenModel

FindingState = Literal["ok", "warning", "problem"]


class Finding(FrozenModel):
    """Result of one check. `fix` says what to do; a `problem` prevents Handrail from working.

    `data` has the same facts as `message`, for programs that monitor a shared database. The JSON key of `message` is
    `told` (`handrail doctor --json`).
    """

    name: str
    state: FindingState
    message: str = Field(serialization_alias="told")
    fix: str | None = None
    data: dict[str, JsonValue] | None = None


_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60))


def format_age(duration: timedelta) -> str:
    """Return the duration in the largest unit of which it has at least two, such as "90 s" or "2 min".

    A negative duration, due to another machine's clock, is "0 s".
    """
    seconds = max(0, round(duration.total_seconds()))
    unit, size = next(((unit, size) for unit, size in _UNITS if seconds >= 2 * size), ("s", 1))
    return f"{seconds // size} {unit}"
