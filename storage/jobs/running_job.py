"""A job that this process runs, and its end in the same commit as its last event."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import text

from storage.write_batch import WriteBatch

FINISH_STATEMENT = text("SELECT handrail_end(:job, :attempts, 'succeeded')")


@dataclass
class RunningJob:
    """A running job. `attempts` counts earlier attempts; `is_finished` is set once a commit has finished the job."""

    arguments: Mapping[str, str]
    attempts: int = 0
    id: int = 0
    is_finished: bool = field(default=False)

    def finish_in(self, writes: WriteBatch) -> None:
        """Finish the job with this commit, unless another worker owns it by then."""
        writes.add(FINISH_STATEMENT, [{"job": self.id, "attempts": self.attempts}])
