"""What the remote looked like when it was fetched. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from agents.deploy.names import ENVIRONMENTS, NOT_RELEASED, TAG_NAME, format_version, short_id
from agents.deploy.releases import CallIdentity, Release, commit_trail, releases_for


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
class RepositorySnapshot:
    """Tags (newest first), release records, and the id of the notes ref: empty while there are no notes."""

    tags: tuple[Tag, ...]
    releases: tuple[Release, ...]
    notes_id: str = ""

    @property
    def version_tags(self) -> tuple[Tag, ...]:
        """The tags that can be released: all but those that say where an environment stands."""
        return tuple(tag for tag in self.tags if tag.name not in ENVIRONMENTS)

    def find_version_tag(self, name: str) -> Tag | None:
        return next((tag for tag in self.version_tags if tag.name == name), None)

    def current_tag(self, environment: str) -> Tag | None:
        """The tag that says where an environment stands, or None while nothing is released there."""
        return next((tag for tag in self.tags if tag.name == environment), None)

    def current_commit(self, environment: str) -> str:
        """The commit an environment stands at; empty when that is nothing."""
        tag = self.current_tag(environment)
        return tag.commit if tag else ""

    def find_release(self, call: CallIdentity) -> Release | None:
        """Return the record that this call wrote; None where a record only has its key."""
        return next((release for release in self.releases if call.matches(release)), None)

    def latest_release(self, environment: str) -> Release | None:
        """The newest record of an environment, wherever the environment stands now."""
        return next(reversed(releases_for(self.releases, environment)), None)

    def version_name(self, commit: str, environment: str) -> str:
        """Return the tag that names a commit: the one it was last released as, else the newest one, else nothing.

        Anybody who can push notes can write a record, so a recorded name counts only if that tag is that commit.
        """
        tagged = [tag.name for tag in self.version_tags if tag.commit == commit and TAG_NAME.match(tag.name)]
        recorded = (name for name in self._recorded_names(commit, environment) if name in tagged)
        return next(recorded, None) or next(iter(tagged), "")

    def _recorded_names(self, commit: str, environment: str) -> Iterator[str]:
        """Yield the names under which a commit was recorded, the newest first."""
        return (r.tag for r in reversed(releases_for(self.releases, environment)) if r.commit == commit and r.tag)

    def describe_untagged(self, commit: str, environment: str) -> str:
        """Return what is recorded of a commit that no tag names, in words; empty where there is nothing to doubt."""
        recorded = next(self._recorded_names(commit, environment), "")
        return (
            f"recorded as {recorded}, no tag names this commit"
            if recorded and not self.version_name(commit, environment)
            else ""
        )

    def describe(self, commit: str, environment: str) -> str:
        """Return a commit of an environment as people read it."""
        if not commit:
            return NOT_RELEASED
        doubt = self.describe_untagged(commit, environment)
        return (
            f"{short_id(commit)} ({doubt})" if doubt else format_version(self.version_name(commit, environment), commit)
        )

    def describe_with_full_id(self, commit: str, environment: str) -> str:
        """Return the same with the full id as its last word, as arguments of a call hold it."""
        name = self.version_name(commit, environment)
        doubt = self.describe_untagged(commit, environment)
        return f"{doubt}: {commit}" if doubt else f"{name} {commit}".strip()

    def previous_commit(self, environment: str) -> str:
        """The commit an environment stood at before the one it stands at; empty when the records know none."""
        now = self.current_commit(environment)
        been = commit_trail(releases_for(self.releases, environment))
        return next((commit for commit in reversed(been) if commit != now), "")
