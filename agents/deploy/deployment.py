"""Deployment of a commit to an environment: plan it, check that the plan is still valid, and apply it once.

The tag named like an environment (`production`) marks its current release. Each release is recorded in a git note.
"""

from collections.abc import Callable
from dataclasses import dataclass

from agents.core.errors import ToolError, Unavailable
from agents.deploy.releases import (
    NOT_RELEASED,
    Action,
    CallIdentity,
    Release,
    parse_commit_prefix,
    parse_environment,
    parse_replaced_commit,
    parse_tag_name,
    quote,
    short_id,
)
from agents.deploy.repository import Repository
from agents.deploy.snapshot import RepositorySnapshot, Tag

MAX_PUSH_ATTEMPTS = 5
"""Limit of attempts to push when releases of other environments change the notes at the same time."""

MAX_SUGGESTED_TAGS = 5
"""Limit of tags that an error message names."""


@dataclass(frozen=True)
class Deployment:
    """Planned move of an environment from commit `replaces` (NOT_RELEASED before the first release) to `commit`."""

    action: Action
    environment: str
    tag: str
    commit: str
    replaces: str


PlanDeployment = Callable[[RepositorySnapshot], Deployment]


def plan_release(
    snapshot: RepositorySnapshot, *, environment: str, tag: str, commit: str = "", replaces: str = ""
) -> Deployment:
    """Plan the release of a tag. Raises ToolError when the tag does not exist or is not at the given commit."""
    name = parse_environment(environment)
    target = _find_tag(snapshot, parse_tag_name(tag))
    prefix = parse_commit_prefix(commit)
    if not target.commit.startswith(prefix):
        raise ToolError(
            f"The tag {target.name} is the commit {short_id(target.commit)}, not {short_id(prefix)}; propose it again "
            "with the commit left empty, or name the tag that belongs to the commit."
        )
    replaced = _resolve_replaced_commit(snapshot, name, replaces, target.commit)
    return Deployment("release", name, target.name, target.commit, replaced)


def plan_rollback(
    snapshot: RepositorySnapshot, *, environment: str, tag: str = "", commit: str = "", replaces: str = ""
) -> Deployment:
    """Plan a rollback. Raises ToolError when no earlier release is recorded, or it is not the given tag or commit."""
    name, prefix = parse_environment(environment), parse_commit_prefix(commit)
    current, replaced = snapshot.current_commit(name), _resolve_replaced_commit(snapshot, name, replaces, prefix)
    is_applied = replaced not in (current, NOT_RELEASED)  # an earlier attempt already changed the environment
    target = current if is_applied else snapshot.previous_commit(name)
    if not target:
        raise ToolError(f"There is no earlier release of {name} to go back to; release a tag instead.")
    version = snapshot.version_name(target, name)
    if not target.startswith(prefix) or tag not in ("", version):
        raise ToolError(
            f"The release of {name} to go back to is {snapshot.describe(target, name)}; "
            "leave tag and commit empty, or release the tag you mean."
        )
    if not version and not prefix:
        raise ToolError(
            f"The release of {name} to go back to is {snapshot.describe(target, name)}. A commit without a tag is "
            f"released only when a person names it: roll back {name} to {short_id(target)}."
        )
    return Deployment("roll_back", name, version, target, replaced)


def check_not_moved(snapshot: RepositorySnapshot, environment: str, replaces: str, target: str) -> None:
    """Raise ToolError when the environment is neither at the replaced commit nor at the target (a commit or prefix)."""
    current = snapshot.current_commit(environment)
    if (current or NOT_RELEASED) == replaces or (target and current.startswith(target)):
        return
    proposed_from = "" if replaces == NOT_RELEASED else replaces
    raise ToolError(
        f"{environment} moved from {snapshot.describe(proposed_from, environment)} to "
        f"{snapshot.describe(current, environment)} after this was proposed; nothing was done. "
        "Check the current release and propose it again."
    )


def check_tag_not_blocked(snapshot: RepositorySnapshot, environment: str) -> None:
    """Raise ToolError when git cannot create the environment's tag because another tag uses its name as a folder."""
    blocking = next((tag.name for tag in snapshot.tags if tag.name.startswith(f"{environment}/")), None)
    if blocking is not None:
        raise ToolError(
            f"The tag {quote(blocking)} conflicts with the tag {environment}, which marks the current release: git "
            f"cannot keep both. Rename or delete {quote(blocking)} in the repository, then try again."
        )


def check_commit_exists(repository: Repository, deployment: Deployment) -> None:
    """Raise ToolError when the commit is not in the repository: records can outlive their commits."""
    if not repository.has_commit(deployment.commit):
        raise ToolError(
            f"The commit {short_id(deployment.commit)} is no longer in the repository; release a tag instead."
        )


def apply_deployment(
    repository: Repository, plan: PlanDeployment, call: CallIdentity
) -> tuple[RepositorySnapshot, Release]:
    """Push the deployment and its record, once per call: a repeated call returns the record of the first one.

    Returns the snapshot from before the push, and the record. Raises ToolError when the environment was changed by
    another call or by hand, and Unavailable when a later attempt may succeed.
    """
    deployment: Deployment | None = None
    for _ in range(MAX_PUSH_ATTEMPTS):
        snapshot = repository.fetch_snapshot()
        if recorded := snapshot.find_release(call):
            return snapshot, _check_still_current(snapshot, recorded)
        deployment = deployment or plan(snapshot)
        check_not_moved(snapshot, deployment.environment, deployment.replaces, deployment.commit)
        check_commit_exists(repository, deployment)
        if repository.push_release(release := _to_release(snapshot, deployment, call.key), snapshot):
            return snapshot, release
    raise Unavailable("Other releases kept changing the release records at the same time; try again in a moment.")


def find_completed_release(snapshot: RepositorySnapshot, call: CallIdentity) -> Release | None:
    """Return the record of this call if the environment is at its commit; the record alone is no proof."""
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
        name = release.environment
        raise ToolError(
            f"The release records say that this call moved {name} to {snapshot.describe(release.commit, name)}, "
            f"but it is at {snapshot.describe(snapshot.current_commit(name), name)}. "
            "Look at the repository before you propose it again."
        )
    return release


def _find_tag(snapshot: RepositorySnapshot, name: str) -> Tag:
    if (tag := snapshot.find_version_tag(name)) is not None:
        return tag
    newest = ", ".join(tag.name for tag in snapshot.version_tags[:MAX_SUGGESTED_TAGS])
    raise ToolError(f"There is no tag {quote(name)}; {f'the newest are {newest}' if newest else 'there are no tags'}.")


def _resolve_replaced_commit(snapshot: RepositorySnapshot, environment: str, replaces_text: str, target: str) -> str:
    """Return the commit to replace: the given or the current one. Raises ToolError when the environment has moved."""
    check_tag_not_blocked(snapshot, environment)
    replaces = parse_replaced_commit(replaces_text) or snapshot.current_commit(environment) or NOT_RELEASED
    check_not_moved(snapshot, environment, replaces, target)
    return replaces
