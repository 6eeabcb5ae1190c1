"""Pure functions that render commits, tags and releases as text, and as dictionaries for the data of a result."""

from typing import Any

from agents.deploy.names import format_version, short_id
from agents.deploy.releases import Release
from agents.deploy.snapshot import Commit, RepositorySnapshot, Tag


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
    tag = snapshot.current_tag(environment)
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
    tag = snapshot.current_tag(environment)
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
