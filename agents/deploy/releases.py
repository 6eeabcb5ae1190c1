"""Release records: JSON lines in the git note (`refs/notes/releases`) of the released commit."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from agents.core.values import FrozenModel
from agents.deploy.names import COMMIT_ID, TAG_NAME

CommitId = Annotated[str, Field(pattern=COMMIT_ID)]
EmptyText = Literal[""]
Action = Literal["release", "roll_back"]


class Release(FrozenModel, extra="ignore"):
    """Record of one release or rollback. `previous` is the commit before it; `key` identifies the tool call.

    `number` counts the records of one environment from 1, so that their order does not depend on clocks.
    """

    number: int = 0
    action: Action = "release"
    environment: str
    tag: Annotated[str, Field(pattern=TAG_NAME)] | EmptyText = ""
    commit: CommitId
    previous: CommitId | EmptyText = ""
    key: str = ""

    def to_line(self) -> str:
        """Return the record as a line of a note."""
        return self.model_dump_json(ensure_ascii=True)


@dataclass(frozen=True)
class CallIdentity:
    """Identity of a tool call: its key and its approved arguments. An empty commit matches any."""

    key: str
    action: Action
    environment: str
    commit: str = ""

    def matches(self, release: Release) -> bool:
        """Return whether this call wrote a record. The key alone is no proof, because notes can be forged."""
        is_same_call = (release.key, release.action, release.environment) == (self.key, self.action, self.environment)
        return is_same_call and release.commit.startswith(self.commit)


def parse_releases(notes: str) -> tuple[Release, ...]:
    """Return the records among the lines of notes; other lines are ignored."""
    return tuple(release for line in notes.splitlines() if (release := _parse_line(line)) is not None)


def releases_for(releases: Iterable[Release], environment: str) -> tuple[Release, ...]:
    """Return the records of one environment, oldest first."""
    return tuple(sorted((r for r in releases if r.environment == environment), key=lambda release: release.number))


def commit_trail(releases: Iterable[Release]) -> tuple[str, ...]:
    """Return the commits of an environment, oldest first, without those that were rolled back.

    A `previous` without its own record (a change by hand, or before the first record) counts as a release.
    """
    commits: list[str] = []
    for release in releases:
        if release.previous and release.previous not in commits[-1:]:
            commits.append(release.previous)
        if release.action == "roll_back":
            commits = _commits_before(commits, release.commit)
        commits.append(release.commit)
    return tuple(commits)


def _commits_before(commits: list[str], commit: str) -> list[str]:
    """Return the commits before the last occurrence of a commit; all of them when it does not occur."""
    positions = [position for position, other in enumerate(commits) if other == commit]
    return commits[: positions[-1]] if positions else commits


def _parse_line(line: str) -> Release | None:
    if not line.startswith("{"):
        return None
    try:
        return Release.model_validate_json(line)
    except ValidationError:
        return None
