"""Result of one check of `handrail doctor`."""

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
