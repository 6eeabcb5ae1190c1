"""What the remote looked like when it was fetched. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from agents.deploy.names import ENVIRONMENTS, NOTHING, TAG_NAME, short, worded
from agents.deploy.releases import CallIdentity, Release, releases_of, trail


@dataclass(frozen=True)
class Tag:
    """A tag. `id` is what the ref itself holds: the commit's id, or that of an annotated tag. `at` is ISO 8601."""

    name: str
    id: str
    commit: str
    at: str
    subject: str


@dataclass(frozen=True)
class Commit:
    """A commit; `at` is ISO 8601."""

    id: str
    at: str
    author: str
    subject: str


@dataclass(frozen=True)
class View:
    """Tags (newest first), release records, and the id of the notes ref: empty while there are no notes."""

    tags: tuple[Tag, ...]
    releases: tuple[Release, ...]
    notes: str = ""

    @property
    def versions(self) -> tuple[Tag, ...]:
        """The tags that can be released: all but those that say where an environment stands."""
        return tuple(tag for tag in self.tags if tag.name not in ENVIRONMENTS)

    def version(self, name: str) -> Tag | None:
        return next((tag for tag in self.versions if tag.name == name), None)

    def standing(self, environment: str) -> Tag | None:
        """The tag that says where an environment stands, or None while nothing is released there."""
        return next((tag for tag in self.tags if tag.name == environment), None)

    def stands_at(self, environment: str) -> str:
        """The commit an environment stands at; empty when that is nothing."""
        tag = self.standing(environment)
        return tag.commit if tag else ""

    def release_of(self, call: CallIdentity) -> Release | None:
        """Return the record that this call wrote; None where a record only has its key."""
        return next((release for release in self.releases if call.wrote(release)), None)

    def latest(self, environment: str) -> Release | None:
        """The newest record of an environment, wherever the environment stands now."""
        return next(reversed(releases_of(self.releases, environment)), None)

    def version_name(self, commit: str, environment: str) -> str:
        """Return the tag that names a commit: the one it was last released as, else the newest one, else nothing.

        Anybody who can push notes can write a record, so a recorded name counts only if that tag is that commit.
        """
        tagged = [tag.name for tag in self.versions if tag.commit == commit and TAG_NAME.match(tag.name)]
        recorded = (name for name in self._recorded_names(commit, environment) if name in tagged)
        return next(recorded, None) or next(iter(tagged), "")

    def _recorded_names(self, commit: str, environment: str) -> Iterator[str]:
        """Yield the names under which a commit was recorded, the newest first."""
        return (r.tag for r in reversed(releases_of(self.releases, environment)) if r.commit == commit and r.tag)

    def doubt(self, commit: str, environment: str) -> str:
        """Return what is recorded of a commit that no tag names, in words; empty where there is nothing to doubt."""
        recorded = next(self._recorded_names(commit, environment), "")
        return (
            f"recorded as {recorded}, no tag names this commit"
            if recorded and not self.version_name(commit, environment)
            else ""
        )

    def worded(self, commit: str, environment: str) -> str:
        """Return a commit of an environment as people read it."""
        if not commit:
            return NOTHING
        doubt = self.doubt(commit, environment)
        return f"{short(commit)} ({doubt})" if doubt else worded(self.version_name(commit, environment), commit)

    def exactly(self, commit: str, environment: str) -> str:
        """Return the same with the full id as its last word, as arguments of a call hold it."""
        name = self.version_name(commit, environment)
        doubt = self.doubt(commit, environment)
        return f"{doubt}: {commit}" if doubt else f"{name} {commit}".strip()

    def way_back(self, environment: str) -> str:
        """The commit an environment stood at before the one it stands at; empty when the records know none."""
        now = self.stands_at(environment)
        been = trail(releases_of(self.releases, environment))
        return next((commit for commit in reversed(been) if commit != now), "")
