"""A job this process has, and how it ends with a commit: in the same breath as the last thing it is there for."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import text

from storage.write_batch import WriteBatch

FINISH_STATEMENT = text("SELECT handrail_end(:job, :attempts, 'succeeded')")


@dataclass
class RunningJob:
    """Its arguments, and how often it was tried before. `ended` once a commit is known to have ended it."""

    arguments: Mapping[str, str]
    attempts: int = 0
    id: int = 0
    is_finished: bool = field(default=False)

    def finish_in(self, writes: WriteBatch) -> None:
        """Have it end with a commit, unless others have it by then."""
        writes.add(FINISH_STATEMENT, [{"job": self.id, "attempts": self.attempts}])
