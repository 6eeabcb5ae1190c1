"""The deploy agent's tools (CONTRACT §6). Every one of them fetches first: what it says is what the remote says."""

from functools import partial
from typing import Annotated, Any

from pydantic import Field

from agents.deploy.names import (
    ALL,
    ENVIRONMENTS,
    Environment,
    EnvironmentOrAll,
    check_commit_condition,
    check_stand_condition,
    commit_named,
    environment_named,
    worded,
)
from agents.deploy.releases import Action, CallIdentity, Release
from agents.deploy.repository import opened
from agents.deploy.rollout import Propose, carried_out, happened, proposed_release, proposed_roll_back, refuse_lost
from agents.deploy.telling import place_data, tag_data, told_commit, told_place, told_release, told_tag
from agents.deploy.view import View
from agents.messages import Assurance
from agents.policy import Ask
from agents.tools import ConditionCheck, ToolContext, ToolResult, tool

MOST = 100
"""The most commits or tags one call lists."""

SECONDS = 120.0
"""For one attempt: every tool fetches, and a move may have to fetch and push several times."""

RELEASERS = Ask(roles=("release",), min_assurance=Assurance.MEDIUM, expires=1800)

Limit = Annotated[int, Field(description=f"how many, 1 to {MOST}")]
_FILLED = "leave empty: filled in before anybody is asked"
Filled = Annotated[str, Field(description=_FILLED)]
FilledCommit = Annotated[str, Field(description=_FILLED), ConditionCheck(check_commit_condition)]
FilledStand = Annotated[str, Field(description=_FILLED), ConditionCheck(check_stand_condition)]


@tool(effect="read", timeout=SECONDS)
def list_commits(context: ToolContext, limit: Limit = 10) -> ToolResult:
    """The newest commits of the default branch, with the tags on them: what could be released."""
    with opened(context.environment) as repository:
        view, commits = repository.look(), repository.commits(_within(limit))
    tags = {commit.id: [tag.name for tag in view.tags if tag.commit == commit.id] for commit in commits}
    return ToolResult(
        summary="\n".join(told_commit(commit, tags[commit.id]) for commit in commits) or "There are no commits yet.",
        data={"commits": [{**vars(commit), "tags": tags[commit.id]} for commit in commits]},
    )


@tool(effect="read", timeout=SECONDS, trusted_results=True)
def list_tags(context: ToolContext, limit: Limit = 10) -> ToolResult:
    """The newest tags that can be released, and which environment stands at which."""
    with opened(context.environment) as repository:
        view = repository.look()
    tags = view.versions[: _within(limit)]
    places = {tag.name: [place for place in ENVIRONMENTS if view.stands_at(place) == tag.commit] for tag in tags}
    return ToolResult(
        summary="\n".join(told_tag(tag, places[tag.name]) for tag in tags) or "There are no tags yet.",
        data={"tags": [{**tag_data(tag), "environments": places[tag.name]} for tag in tags]},
    )


@tool(effect="read", timeout=SECONDS, trusted_results=True)
def current_release(context: ToolContext, environment: EnvironmentOrAll = ALL) -> ToolResult:
    """What is deployed to an environment, or to `all` of them, and the newest tag to compare it with."""
    places = ENVIRONMENTS if environment == ALL else (environment_named(environment),)
    with opened(context.environment) as repository:
        view = repository.look()
    newest = next(iter(view.versions), None)
    compare = [f"The newest tag is {worded(newest.name, newest.commit)}."] if newest else []
    return ToolResult(
        summary="\n".join([*(told_place(view, place) for place in places), *compare]),
        data={"releases": [place_data(view, place) for place in places], "newest_tag": newest and tag_data(newest)},
    )


def _prepare_release(context: ToolContext, **arguments: Any) -> dict[str, Any]:
    return _prepared(context, partial(proposed_release, **arguments))


def _prepare_roll_back(context: ToolContext, **arguments: Any) -> dict[str, Any]:
    return _prepared(context, partial(proposed_roll_back, **arguments))


def _check(
    action: Action, context: ToolContext, *, environment: str, commit: str = "", **_others: str
) -> ToolResult | None:
    with opened(context.environment) as repository:
        view = repository.look()
    release = happened(view, CallIdentity(context.key, action, environment, commit_named(commit)))
    return _told(view, release) if release else None


_check_release = partial(_check, "release")
_check_roll_back = partial(_check, "roll_back")


@tool(
    effect="verifiable",
    risk="high",
    ask=RELEASERS,
    prepare=_prepare_release,
    check=_check_release,
    timeout=SECONDS,
    trusted_results=True,
)
def push_release_tag(
    context: ToolContext, environment: Environment, tag: str, commit: FilledCommit = "", replaces: FilledStand = ""
) -> ToolResult:
    """Release a tag: move the environment to the tag's commit and record it. People are asked first.

    An approval is bound to `commit`, what the tag is, and to `replaces`, where the environment stood: if either has
    changed when the call runs, nothing is done.
    """
    propose = partial(proposed_release, environment=environment, tag=tag, commit=commit, replaces=replaces)
    return _moved(context, propose, CallIdentity(context.key, "release", environment, commit_named(commit)))


@tool(
    effect="verifiable",
    risk="high",
    ask=RELEASERS,
    prepare=_prepare_roll_back,
    check=_check_roll_back,
    timeout=SECONDS,
    trusted_results=True,
)
def roll_back(
    context: ToolContext,
    environment: Environment,
    tag: Filled = "",
    commit: FilledCommit = "",
    replaces: FilledStand = "",
) -> ToolResult:
    """Take an environment back to the release before the one it stands at. People are asked first.

    An approval is bound to `commit`, the one it goes back to, and to `replaces`, where the environment stood: if either
    has changed when the call runs, nothing is done.
    """
    propose = partial(proposed_roll_back, environment=environment, tag=tag, commit=commit, replaces=replaces)
    return _moved(context, propose, CallIdentity(context.key, "roll_back", environment, commit_named(commit)))


def _prepared(context: ToolContext, propose: Propose) -> dict[str, Any]:
    """The arguments an approval is bound to: exact commits, with their names for whoever reads them."""
    with opened(context.environment) as repository:
        view = repository.look()
        move = propose(view)
        refuse_lost(repository, move)
    replaces = view.exactly(move.replaces, move.environment)
    return {"environment": move.environment, "tag": move.tag, "commit": move.commit, "replaces": replaces}


def _moved(context: ToolContext, propose: Propose, call: CallIdentity) -> ToolResult:
    with opened(context.environment) as repository:
        view, release = carried_out(repository, propose, call)
    return _told(view, release)


def _told(view: View, release: Release) -> ToolResult:
    return ToolResult(summary=told_release(view, release), data=release.model_dump(mode="json"))


def _within(limit: int) -> int:
    return min(max(limit, 1), MOST)
