"""How commits, tags and releases read, for people and as data. Pure."""

from typing import Any

from agents.deploy.names import short, worded
from agents.deploy.releases import Release
from agents.deploy.view import Commit, Tag, View


def told_commit(commit: Commit, tags: list[str]) -> str:
    """One line: id, day, author, subject and the tags on it."""
    marks = f" [{', '.join(tags)}]" if tags else ""
    return f"{short(commit.id)} {commit.at[:10]} {commit.author}: {commit.subject}{marks}"


def told_tag(tag: Tag, environments: list[str]) -> str:
    """One line: name, commit, day, subject and the environments that stand at it."""
    marks = f" [{', '.join(environments)}]" if environments else ""
    return f"{worded(tag.name, tag.commit)} {tag.at[:10]}: {tag.subject}{marks}"


def told_place(view: View, environment: str) -> str:
    """One line: what an environment stands at."""
    tag = view.standing(environment)
    if tag is None:
        return f"Nothing is released to {environment} yet."
    return f"{environment} is {view.worded(tag.commit, environment)}: {tag.subject}"


def told_release(view: View, release: Release) -> str:
    """One line: what an environment is now, and what it was."""
    went = "is now" if release.action == "release" else "is back at"
    before = f"; it was {view.worded(release.previous, release.environment)}" if release.previous else ""
    tag = view.version(release.tag)
    named = tag is not None and tag.commit == release.commit
    now = worded(release.tag, release.commit) if named else view.worded(release.commit, release.environment)
    return f"{release.environment} {went} {now}{before}."


def tag_data(tag: Tag) -> dict[str, Any]:
    """A tag as JSON."""
    return {"name": tag.name, "commit": tag.commit, "at": tag.at, "subject": tag.subject}


def place_data(view: View, environment: str) -> dict[str, Any]:
    """An environment as JSON; `tag` and `commit` are None while nothing is released there."""
    tag = view.standing(environment)
    if tag is None:
        return {"environment": environment, "tag": None, "commit": None}
    name = view.version_name(tag.commit, environment)
    return {"environment": environment, "tag": name or None, "commit": tag.commit, "at": tag.at, "subject": tag.subject}
