"""Snapshot of the remote's tags and release records at the time of a fetch, and its texts for people and models."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from agents.deploy.releases import (
    ENVIRONMENTS,
    NOT_RELEASED,
    TAG_NAME,
    CallIdentity,
    Release,
    commit_trail,
    format_version,
    releases_for,
    short_id,
)


@dataclass(frozen=True)
class Tag:
    """A tag and its commit. `tagged_at` is ISO 8601.

    `object_id` is the id of the object that the ref names: the commit itself, or an annotated tag.
    """

    name: str
    object_id: str
    commit: str
    tagged_at: str
    subject: str


@dataclass(frozen=True)
class Commit:
    """A commit. `committed_at` is ISO 8601."""

    id: str
    committed_at: str
    author: str
    subject: str


@dataclass(frozen=True)
class RepositorySnapshot:
    """Tags (newest first) and release records, which are stored as git notes.

    `notes_id` is the id of the object that the notes ref points to, empty without notes.
    """

    tags: tuple[Tag, ...]
    releases: tuple[Release, ...]
    notes_id: str = ""

    @property
    def version_tags(self) -> tuple[Tag, ...]:
        """All tags except those that mark the current release of an environment."""
        return tuple(tag for tag in self.tags if tag.name not in ENVIRONMENTS)

    def find_version_tag(self, name: str) -> Tag | None:
        return next((tag for tag in self.version_tags if tag.name == name), None)

    def environment_tag(self, environment: str) -> Tag | None:
        """Return the tag named after an environment, which marks its current release; None before the first one."""
        return next((tag for tag in self.tags if tag.name == environment), None)

    def current_commit(self, environment: str) -> str:
        """Return the commit of an environment's current release; empty before the first release."""
        tag = self.environment_tag(environment)
        return tag.commit if tag else ""

    def find_release(self, call: CallIdentity) -> Release | None:
        """Return the record that this call wrote; None when no record matches the call."""
        return next((release for release in self.releases if call.matches(release)), None)

    def latest_release(self, environment: str) -> Release | None:
        """Return the newest record of an environment, which may differ from its current commit."""
        return next(reversed(releases_for(self.releases, environment)), None)

    def version_name(self, commit: str, environment: str) -> str:
        """Return a tag of a commit: the one it was last released as, else the newest one, else an empty text.

        A push of notes can write any record, so a recorded name counts only if that tag is at that commit.
        """
        tagged = [tag.name for tag in self.version_tags if tag.commit == commit and TAG_NAME.match(tag.name)]
        recorded = (name for name in self._recorded_names(commit, environment) if name in tagged)
        return next(recorded, None) or next(iter(tagged), "")

    def _recorded_names(self, commit: str, environment: str) -> Iterator[str]:
        """Yield the names under which a commit was recorded, the newest first."""
        return (r.tag for r in reversed(releases_for(self.releases, environment)) if r.commit == commit and r.tag)

    def describe_untagged(self, commit: str, environment: str) -> str:
        """Return a remark about a commit that was recorded under a tag name but has no tag now, else an empty text."""
        recorded = next(self._recorded_names(commit, environment), "")
        return (
            f"recorded as {recorded}, but that tag does not name this commit; check the tag before releasing"
            if recorded and not self.version_name(commit, environment)
            else ""
        )

    def describe(self, commit: str, environment: str) -> str:
        """Return the text for a commit in messages: its tag and short id, or its short id and `describe_untagged`."""
        if not commit:
            return NOT_RELEASED
        remark = self.describe_untagged(commit, environment)
        if remark:
            return f"{short_id(commit)} ({remark})"
        return format_version(self.version_name(commit, environment), commit)

    def describe_with_full_id(self, commit: str, environment: str) -> str:
        """Return the text for a commit in the arguments of a call. Its last word is the full commit id."""
        name = self.version_name(commit, environment)
        remark = self.describe_untagged(commit, environment)
        return f"{remark}: {commit}" if remark else f"{name} {commit}".strip()

    def previous_commit(self, environment: str) -> str:
        """Return the commit before an environment's current one, not one rolled back; empty without a record."""
        current = self.current_commit(environment)
        trail = commit_trail(releases_for(self.releases, environment))
        return next((commit for commit in reversed(trail) if commit != current), "")


def format_commit(commit: Commit, tags: list[str]) -> str:
    """Return one line: id, day, author, subject and tags."""
    suffix = f" [{', '.join(tags)}]" if tags else ""
    return f"{short_id(commit.id)} {commit.committed_at[:10]} {commit.author}: {commit.subject}{suffix}"


def format_tag(tag: Tag, environments: list[str]) -> str:
    """Return one line: name, commit, day, subject and the environments where it is the current release."""
    suffix = f" [{', '.join(environments)}]" if environments else ""
    return f"{format_version(tag.name, tag.commit)} {tag.tagged_at[:10]}: {tag.subject}{suffix}"


def format_environment(snapshot: RepositorySnapshot, environment: str) -> str:
    """Return one line: the current release of an environment."""
    tag = snapshot.environment_tag(environment)
    if tag is None:
        return f"Nothing is released to {environment} yet."
    return f"{environment} is {snapshot.describe(tag.commit, environment)}: {tag.subject}"


def format_release(snapshot: RepositorySnapshot, release: Release) -> str:
    """Return one line: the new release of an environment, and the release that it replaced."""
    verb = "is now" if release.action == "release" else "is back at"
    replaced = f"; it was {snapshot.describe(release.previous, release.environment)}" if release.previous else ""
    tag = snapshot.find_version_tag(release.tag)
    is_tag_at_commit = tag is not None and tag.commit == release.commit
    described = snapshot.describe(release.commit, release.environment)
    version = format_version(release.tag, release.commit) if is_tag_at_commit else described
    return f"{release.environment} {verb} {version}{replaced}."


def commit_to_dict(commit: Commit, tags: list[str]) -> dict[str, Any]:
    """Return the fields of a commit and its tags for the data of a tool result."""
    return {
        "id": commit.id,
        "at": commit.committed_at,
        "author": commit.author,
        "subject": commit.subject,
        "tags": tags,
    }


def tag_to_dict(tag: Tag) -> dict[str, Any]:
    """Return the fields of a tag for the data of a tool result."""
    return {"name": tag.name, "commit": tag.commit, "at": tag.tagged_at, "subject": tag.subject}


def environment_to_dict(snapshot: RepositorySnapshot, environment: str) -> dict[str, Any]:
    """Return an environment's current release; `tag` and `commit` are None before the first release."""
    tag = snapshot.environment_tag(environment)
    if tag is None:
        return {"environment": environment, "tag": None, "commit": None}
    name = snapshot.version_name(tag.commit, environment)
    return {
        "environment": environment,
        "tag": name or None,
        "commit": tag.commit,
        "at": tag.tagged_at,
        "subject": tag.subject,
    }
