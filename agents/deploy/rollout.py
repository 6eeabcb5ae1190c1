"""Moving an environment to a commit: what is proposed, whether it still fits, and doing it once."""

from collections.abc import Callable
from dataclasses import dataclass

from agents.deploy.names import NOTHING, commit_named, environment_named, quoted, short, stand_named, tag_named
from agents.deploy.releases import Action, CallIdentity, Release
from agents.deploy.repository import Repository
from agents.deploy.view import Tag, View
from agents.errors import ToolError, Unreachable

ATTEMPTS = 5
"""How often a move is tried while releases of other environments keep changing the notes under it."""

NEWEST = 5
"""How many tags a message names."""


@dataclass(frozen=True)
class Move:
    """One move of an environment, resolved: from the commit `replaces` (NOTHING when it stands nowhere) to `commit`."""

    action: Action
    environment: str
    tag: str
    commit: str
    replaces: str


Propose = Callable[[View], Move]


def proposed_release(view: View, *, environment: str, tag: str, commit: str = "", replaces: str = "") -> Move:
    """Release a tag. Raises ToolError when there is no such tag, or it is not the commit that was named."""
    place, found, start = environment_named(environment), _found(view, tag_named(tag)), commit_named(commit)
    if not found.commit.startswith(start):
        raise ToolError(
            f"The tag {found.name} is the commit {short(found.commit)}, not {short(start)}; propose it again "
            "with the commit left empty, or name the tag that belongs to the commit."
        )
    return Move("release", place, found.name, found.commit, _replaced(view, place, replaces, found.commit))


def proposed_roll_back(view: View, *, environment: str, tag: str = "", commit: str = "", replaces: str = "") -> Move:
    """Go back to the release before. Raises ToolError when the records know none, or another than was named."""
    place, start = environment_named(environment), commit_named(commit)
    now, replaced = view.stands_at(place), _replaced(view, place, replaces, start)
    repeated = replaced not in (now, NOTHING)  # it stands at the end already, moved by an attempt before this one
    target = now if repeated else view.way_back(place)
    if not target:
        raise ToolError(f"There is no earlier release of {place} to go back to; release a tag instead.")
    name = view.version_name(target, place)
    if not target.startswith(start) or tag not in ("", name):
        raise ToolError(
            f"The release of {place} to go back to is {view.worded(target, place)}; leave tag and commit empty, or "
            "release the tag you mean."
        )
    if not name and not start:
        raise ToolError(
            f"The release of {place} to go back to is {view.worded(target, place)}. A commit without a tag is released "
            f"only when a person names it: roll back {place} to {short(target)}."
        )
    return Move("roll_back", place, name, target, replaced)


def refuse_moved(view: View, environment: str, replaces: str, goal: str) -> None:
    """Raises ToolError when the environment stands neither where it was seen nor at the goal, a commit or start."""
    now = view.stands_at(environment)
    if (now or NOTHING) == replaces or (goal and now.startswith(goal)):
        return
    before = "" if replaces == NOTHING else replaces
    raise ToolError(
        f"{environment} moved from {view.worded(before, environment)} to {view.worded(now, environment)} after this "
        "was proposed; nothing was done. Look again and propose it anew."
    )


def refuse_blocked(view: View, environment: str) -> None:
    """Raise ToolError when git cannot make the environment's tag, because another tag uses its name as a folder."""
    blocking = next((tag.name for tag in view.tags if tag.name.startswith(f"{environment}/")), None)
    if blocking is not None:
        raise ToolError(
            f"The tag {quoted(blocking)} is in the way: git cannot keep it beside the tag {environment}, which says "
            f"what is released. Rename or delete {quoted(blocking)} in the repository, then try again."
        )


def refuse_lost(repository: Repository, move: Move) -> None:
    """Raises ToolError when the commit is nowhere to be had: records may outlive what they speak of."""
    if not repository.has(move.commit):
        raise ToolError(f"The commit {short(move.commit)} is no longer in the repository; release a tag instead.")


def carried_out(repository: Repository, propose: Propose, call: CallIdentity) -> tuple[View, Release]:
    """Do the move and record it, once per call: a repeat finishes what is half done and returns what is done.

    Returns what was seen when it was decided, and the record. Raises ToolError when somebody else moved the
    environment, and Unreachable when it may work later.
    """
    move: Move | None = None
    for _ in range(ATTEMPTS):
        view = repository.look()
        if done := view.release_of(call):
            return view, _still_standing(view, done)
        move = move or propose(view)
        refuse_moved(view, move.environment, move.replaces, move.commit)
        refuse_lost(repository, move)
        if repository.push(release := _record(view, move, call.key), view):
            return view, release
    raise Unreachable("Other releases kept changing the release records at the same time; try again in a moment.")


def happened(view: View, call: CallIdentity) -> Release | None:
    """Return the record of this call, when the environment stands at its commit; the record alone proves nothing."""
    release = view.release_of(call)
    return release if release and _stands_as_recorded(view, release) else None


def _stands_as_recorded(view: View, release: Release) -> bool:
    return view.stands_at(release.environment) == release.commit


def _record(view: View, move: Move, key: str) -> Release:
    latest = view.latest(move.environment)
    return Release(
        number=latest.number + 1 if latest else 1,
        action=move.action,
        environment=move.environment,
        tag=move.tag,
        commit=move.commit,
        previous="" if move.replaces == NOTHING else move.replaces,
        key=key,
    )


def _still_standing(view: View, release: Release) -> Release:
    if not _stands_as_recorded(view, release):
        place = release.environment
        raise ToolError(
            f"The release records say that this call moved {place} to {view.worded(release.commit, place)}, but it is "
            f"at {view.worded(view.stands_at(place), place)}. Look at the repository before you propose it again."
        )
    return release


def _found(view: View, name: str) -> Tag:
    if (tag := view.version(name)) is not None:
        return tag
    newest = ", ".join(tag.name for tag in view.versions[:NEWEST])
    raise ToolError(f"There is no tag {quoted(name)}; {f'the newest are {newest}' if newest else 'there are no tags'}.")


def _replaced(view: View, environment: str, said: str, goal: str) -> str:
    """Where the environment stands, or stood before an earlier attempt. Raises ToolError when neither was said."""
    refuse_blocked(view, environment)
    replaces = stand_named(said) or view.stands_at(environment) or NOTHING
    refuse_moved(view, environment, replaces, goal)
    return replaces
