"""What the remote looked like when it was fetched. Pure."""

from dataclasses import dataclass

from agents.deploy.names import ENVIRONMENTS, NOTHING, TAG_NAME, worded
from agents.deploy.releases import Release, releases_of, trail


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

    def release_with(self, key: str) -> Release | None:
        """What the call with this key did, when it did it."""
        return next((release for release in self.releases if release.key == key), None)

    def latest(self, environment: str) -> Release | None:
        """The newest record of an environment, wherever the environment stands now."""
        return next(reversed(releases_of(self.releases, environment)), None)

    def version_name(self, commit: str, environment: str) -> str:
        """What a commit is called: as it was last released to the environment, else its newest tag, else nothing."""
        recorded = (r.tag for r in reversed(releases_of(self.releases, environment)) if r.commit == commit and r.tag)
        tagged = (tag.name for tag in self.versions if tag.commit == commit and TAG_NAME.match(tag.name))
        return next(recorded, None) or next(tagged, "")

    def worded(self, commit: str, environment: str) -> str:
        """A commit of an environment as people read it."""
        return worded(self.version_name(commit, environment), commit) if commit else NOTHING

    def way_back(self, environment: str) -> str:
        """The commit an environment stood at before the one it stands at; empty when the records know none."""
        now = self.stands_at(environment)
        been = trail(releases_of(self.releases, environment))
        return next((commit for commit in reversed(been) if commit != now), "")
