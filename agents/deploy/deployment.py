"""Moving an environment to a commit: what is proposed, whether it still fits, and doing it once."""

from collections.abc import Callable
from dataclasses import dataclass

from agents.deploy.names import (
    NOT_RELEASED,
    parse_commit_prefix,
    parse_environment,
    parse_replaced_commit,
    parse_tag_name,
    quote,
    short_id,
)
from agents.deploy.releases import Action, CallIdentity, Release
from agents.deploy.repository import Repository
from agents.deploy.snapshot import RepositorySnapshot, Tag
from agents.errors import ToolError, Unavailable

MAX_PUSH_ATTEMPTS = 5
"""How often a move is tried while releases of other environments keep changing the notes under it."""

MAX_SUGGESTED_TAGS = 5
"""How many tags a message names."""


@dataclass(frozen=True)
class Deployment:
    """One move of an environment, resolved: from the commit `replaces` (NOTHING when it stands nowhere) to `commit`."""

    action: Action
    environment: str
    tag: str
    commit: str
    replaces: str


PlanDeployment = Callable[[RepositorySnapshot], Deployment]


def plan_release(
    snapshot: RepositorySnapshot, *, environment: str, tag: str, commit: str = "", replaces: str = ""
) -> Deployment:
    """Release a tag. Raises ToolError when there is no such tag, or it is not the commit that was named."""
    place, found, start = (
        parse_environment(environment),
        _find_tag(snapshot, parse_tag_name(tag)),
        parse_commit_prefix(commit),
    )
    if not found.commit.startswith(start):
        raise ToolError(
            f"The tag {found.name} is the commit {short_id(found.commit)}, not {short_id(start)}; propose it again "
            "with the commit left empty, or name the tag that belongs to the commit."
        )
    return Deployment(
        "release", place, found.name, found.commit, _resolve_replaced_commit(snapshot, place, replaces, found.commit)
    )


def plan_rollback(
    snapshot: RepositorySnapshot, *, environment: str, tag: str = "", commit: str = "", replaces: str = ""
) -> Deployment:
    """Go back to the release before. Raises ToolError when the records know none, or another than was named."""
    place, start = parse_environment(environment), parse_commit_prefix(commit)
    now, replaced = snapshot.current_commit(place), _resolve_replaced_commit(snapshot, place, replaces, start)
    repeated = replaced not in (now, NOT_RELEASED)  # it stands at the end already, moved by an attempt before this one
    target = now if repeated else snapshot.previous_commit(place)
    if not target:
        raise ToolError(f"There is no earlier release of {place} to go back to; release a tag instead.")
    name = snapshot.version_name(target, place)
    if not target.startswith(start) or tag not in ("", name):
        raise ToolError(
            f"The release of {place} to go back to is {snapshot.describe(target, place)}; "
            "leave tag and commit empty, or "
            "release the tag you mean."
        )
    if not name and not start:
        raise ToolError(
            f"The release of {place} to go back to is {snapshot.describe(target, place)}. "
            "A commit without a tag is released "
            f"only when a person names it: roll back {place} to {short_id(target)}."
        )
    return Deployment("roll_back", place, name, target, replaced)


def check_not_moved(snapshot: RepositorySnapshot, environment: str, replaces: str, target: str) -> None:
    """Raises ToolError when the environment stands neither where it was seen nor at the goal, a commit or start."""
    now = snapshot.current_commit(environment)
    if (now or NOT_RELEASED) == replaces or (target and now.startswith(target)):
        return
    before = "" if replaces == NOT_RELEASED else replaces
    raise ToolError(
        f"{environment} moved from {snapshot.describe(before, environment)} "
        f"to {snapshot.describe(now, environment)} after this "
        "was proposed; nothing was done. Look again and propose it anew."
    )


def check_tag_not_blocked(snapshot: RepositorySnapshot, environment: str) -> None:
    """Raise ToolError when git cannot make the environment's tag, because another tag uses its name as a folder."""
    blocking = next((tag.name for tag in snapshot.tags if tag.name.startswith(f"{environment}/")), None)
    if blocking is not None:
        raise ToolError(
            f"The tag {quote(blocking)} is in the way: git cannot keep it beside the tag {environment}, which says "
            f"what is released. Rename or delete {quote(blocking)} in the repository, then try again."
        )


def check_commit_exists(repository: Repository, deployment: Deployment) -> None:
    """Raises ToolError when the commit is nowhere to be had: records may outlive what they speak of."""
    if not repository.has_commit(deployment.commit):
        raise ToolError(
            f"The commit {short_id(deployment.commit)} is no longer in the repository; release a tag instead."
        )


def apply_deployment(
    repository: Repository, plan: PlanDeployment, call: CallIdentity
) -> tuple[RepositorySnapshot, Release]:
    """Do the move and record it, once per call: a repeat finishes what is half done and returns what is done.

    Returns what was seen when it was decided, and the record. Raises ToolError when somebody else moved the
    environment, and Unreachable when it may work later.
    """
    move: Deployment | None = None
    for _ in range(MAX_PUSH_ATTEMPTS):
        view = repository.fetch_snapshot()
        if done := view.find_release(call):
            return view, _check_still_current(view, done)
        move = move or plan(view)
        check_not_moved(view, move.environment, move.replaces, move.commit)
        check_commit_exists(repository, move)
        if repository.push_release(release := _to_release(view, move, call.key), view):
            return view, release
    raise Unavailable("Other releases kept changing the release records at the same time; try again in a moment.")


def find_completed(snapshot: RepositorySnapshot, call: CallIdentity) -> Release | None:
    """Return the record of this call, when the environment stands at its commit; the record alone proves nothing."""
    release = snapshot.find_release(call)
    return release if release and _is_current(snapshot, release) else None


def _is_current(snapshot: RepositorySnapshot, release: Release) -> bool:
    return snapshot.current_commit(release.environment) == release.commit


def _to_release(snapshot: RepositorySnapshot, deployment: Deployment, key: str) -> Release:
    latest = snapshot.latest_release(deployment.environment)
    return Release(
        number=latest.number + 1 if latest else 1,
        action=deployment.action,
        environment=deployment.environment,
        tag=deployment.tag,
        commit=deployment.commit,
        previous="" if deployment.replaces == NOT_RELEASED else deployment.replaces,
        key=key,
    )


def _check_still_current(snapshot: RepositorySnapshot, release: Release) -> Release:
    if not _is_current(snapshot, release):
        place = release.environment
        raise ToolError(
            f"The release records say that this call moved {place} to {snapshot.describe(release.commit, place)}, "
            "but it is "
            f"at {snapshot.describe(snapshot.current_commit(place), place)}. "
            "Look at the repository before you propose it again."
        )
    return release


def _find_tag(snapshot: RepositorySnapshot, name: str) -> Tag:
    if (tag := snapshot.find_version_tag(name)) is not None:
        return tag
    newest = ", ".join(tag.name for tag in snapshot.version_tags[:MAX_SUGGESTED_TAGS])
    raise ToolError(f"There is no tag {quote(name)}; {f'the newest are {newest}' if newest else 'there are no tags'}.")


def _resolve_replaced_commit(snapshot: RepositorySnapshot, environment: str, replaces_text: str, target: str) -> str:
    """Where the environment stands, or stood before an earlier attempt. Raises ToolError when neither was said."""
    check_tag_not_blocked(snapshot, environment)
    replaces = parse_replaced_commit(replaces_text) or snapshot.current_commit(environment) or NOT_RELEASED
    check_not_moved(snapshot, environment, replaces, target)
    return replaces
