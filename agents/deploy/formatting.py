"""How commits, tags and releases read, for people and as data. Pure."""

from typing import Any

from agents.deploy.names import format_version, short_id
from agents.deploy.releases import Release
from agents.deploy.snapshot import Commit, RepositorySnapshot, Tag


def format_commit(commit: Commit, tags: list[str]) -> str:
    """One line: id, day, author, subject and the tags on it."""
    marks = f" [{', '.join(tags)}]" if tags else ""
    return f"{short_id(commit.id)} {commit.at[:10]} {commit.author}: {commit.subject}{marks}"


def format_tag(tag: Tag, environments: list[str]) -> str:
    """One line: name, commit, day, subject and the environments that stand at it."""
    marks = f" [{', '.join(environments)}]" if environments else ""
    return f"{format_version(tag.name, tag.commit)} {tag.at[:10]}: {tag.subject}{marks}"


def format_environment(snapshot: RepositorySnapshot, environment: str) -> str:
    """One line: what an environment stands at."""
    tag = snapshot.current_tag(environment)
    if tag is None:
        return f"Nothing is released to {environment} yet."
    return f"{environment} is {snapshot.describe(tag.commit, environment)}: {tag.subject}"


def format_release(snapshot: RepositorySnapshot, release: Release) -> str:
    """One line: what an environment is now, and what it was."""
    went = "is now" if release.action == "release" else "is back at"
    before = f"; it was {snapshot.describe(release.previous, release.environment)}" if release.previous else ""
    tag = snapshot.find_version_tag(release.tag)
    named = tag is not None and tag.commit == release.commit
    now = (
        format_version(release.tag, release.commit) if named else snapshot.describe(release.commit, release.environment)
    )
    return f"{release.environment} {went} {now}{before}."


def tag_to_dict(tag: Tag) -> dict[str, Any]:
    """A tag as JSON."""
    return {"name": tag.name, "commit": tag.commit, "at": tag.at, "subject": tag.subject}


def environment_to_dict(snapshot: RepositorySnapshot, environment: str) -> dict[str, Any]:
    """An environment as JSON; `tag` and `commit` are None while nothing is released there."""
    tag = snapshot.current_tag(environment)
    if tag is None:
        return {"environment": environment, "tag": None, "commit": None}
    name = snapshot.version_name(tag.commit, environment)
    return {"environment": environment, "tag": name or None, "commit": tag.commit, "at": tag.at, "subject": tag.subject}
