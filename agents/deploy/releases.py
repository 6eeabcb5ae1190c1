"""Release records: one JSON line each, in the git note (`refs/notes/releases`) of the released commit. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from agents.deploy.names import COMMIT_ID, TAG_NAME
from agents.frozen import FrozenModel

CommitId = Annotated[str, Field(pattern=COMMIT_ID)]
EmptyText = Literal[""]
Action = Literal["release", "roll_back"]


class Release(FrozenModel, extra="ignore"):
    """One move of an environment to a commit. `previous` is where it stood before; `key` names the call that did it.

    `number` counts the moves of one environment from 1: the order is in the records, whatever any clock said.
    """

    number: int = 0
    action: Action = "release"
    environment: str
    tag: Annotated[str, Field(pattern=TAG_NAME)] | EmptyText = ""
    commit: CommitId
    previous: CommitId | EmptyText = ""
    key: str = ""

    def to_line(self) -> str:
        """The record as it stands in a note."""
        return self.model_dump_json(ensure_ascii=True)


@dataclass(frozen=True)
class CallIdentity:
    """One call of a tool: its key and what it was approved to do. An empty commit stands for any."""

    key: str
    action: Action
    environment: str
    commit: str = ""

    def matches(self, release: Release) -> bool:
        """Return whether a record can be this call's. The key alone proves nothing: notes can be forged."""
        same_place = (release.key, release.action, release.environment) == (self.key, self.action, self.environment)
        return same_place and release.commit.startswith(self.commit)


def parse_releases(notes: str) -> tuple[Release, ...]:
    """The records among the lines of any text; whatever else people wrote into a note is passed over."""
    return tuple(release for line in notes.splitlines() if (release := _parse_line(line)) is not None)


def releases_for(releases: Iterable[Release], environment: str) -> tuple[Release, ...]:
    """The records of one environment, oldest first."""
    return tuple(sorted((r for r in releases if r.environment == environment), key=lambda r: r.number))


def commit_trail(releases: Iterable[Release]) -> tuple[str, ...]:
    """The commits one environment went through, oldest first, without what was rolled back.

    A `previous` nobody recorded (moved by hand, or from before the first record) counts as a release of its own.
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
    """What came before the last stay at a commit; everything when it was never there."""
    stays = [place for place, stay in enumerate(commits) if stay == commit]
    return commits[: stays[-1]] if stays else commits


def _parse_line(line: str) -> Release | None:
    if not line.startswith("{"):
        return None
    try:
        return Release.model_validate_json(line)
    except ValidationError:
        return None
