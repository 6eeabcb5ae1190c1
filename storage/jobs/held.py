"""A job this process has, and how it ends with a commit: in the same breath as the last thing it is there for."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import text

from storage.writes import Writes

END = text("SELECT handrail_end(:job, :attempts, 'succeeded')")


@dataclass
class HeldJob:
    """Its arguments, and how often it was tried before. `ended` once a commit is known to have ended it."""

    arguments: Mapping[str, str]
    attempts: int = 0
    id: int = 0
    ended: bool = field(default=False)

    def end(self, writes: Writes) -> None:
        """Have it end with a commit, unless others have it by then."""
        writes.add(END, [{"job": self.id, "attempts": self.attempts}])
