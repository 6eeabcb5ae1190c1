"""Tools of the deploy agent. Each call fetches first, so results show the current state of the remote.

`context.environment` is not a deployment environment: it holds the settings that the agent's `set_up` returned.
Results are trusted, as the operator's own data, except for `list_commits`, whose messages come from the commit authors.
"""

from functools import partial
from typing import Annotated, Any

from pydantic import Field

from agents.core.messages import Assurance
from agents.core.policy import ApprovalTerms
from agents.core.tools import RuleValueCheck, ToolContext, ToolResult, tool
from agents.deploy.deployment import (
    PlanDeployment,
    apply_deployment,
    check_commit_exists,
    find_completed_release,
    plan_release,
    plan_rollback,
)
from agents.deploy.releases import (
    ALL_ENVIRONMENTS,
    ENVIRONMENTS,
    Action,
    CallIdentity,
    Environment,
    EnvironmentOrAll,
    Release,
    check_commit_rule_value,
    check_replaces_rule_value,
    format_version,
    parse_commit_prefix,
    parse_environment,
)
from agents.deploy.repository import open_repository
from agents.deploy.snapshot import (
    RepositorySnapshot,
    commit_to_dict,
    environment_to_dict,
    format_commit,
    format_environment,
    format_release,
    format_tag,
    tag_to_dict,
)

MAX_LISTED = 100
"""Limit of commits or tags in one result."""

TOOL_TIMEOUT_SECONDS = 120.0
"""Limit for one attempt: every tool fetches, and a release may fetch and push several times."""

RELEASE_APPROVAL = ApprovalTerms(roles=("release",), min_assurance=Assurance.MEDIUM, expires=1800)  # 30 minutes

Limit = Annotated[int, Field(description=f"how many, 1 to {MAX_LISTED}")]
# Arguments that the tool's `prepare` function fills in, so that people approve exact commits.
_PREPARED_DESCRIPTION = "leave empty: filled in before the approval"
PreparedText = Annotated[str, Field(description=_PREPARED_DESCRIPTION)]
# A RuleValueCheck checks the values that policy rules in handrail.toml compare with the argument.
PreparedCommit = Annotated[str, Field(description=_PREPARED_DESCRIPTION), RuleValueCheck(check_commit_rule_value)]
PreparedReplaces = Annotated[str, Field(description=_PREPARED_DESCRIPTION), RuleValueCheck(check_replaces_rule_value)]


@tool(effect="read", timeout=TOOL_TIMEOUT_SECONDS)
def list_commits(context: ToolContext, limit: Limit = 10) -> ToolResult:
    """List the newest commits of the default branch, with their tags."""
    with open_repository(context.environment) as repository:
        snapshot, commits = repository.fetch_snapshot(), repository.list_commits(_clamp_limit(limit))
    tags = {commit.id: [tag.name for tag in snapshot.tags if tag.commit == commit.id] for commit in commits}
    return ToolResult(
        summary="\n".join(format_commit(commit, tags[commit.id]) for commit in commits) or "There are no commits yet.",
        data={"commits": [commit_to_dict(commit, tags[commit.id]) for commit in commits]},
    )


@tool(effect="read", timeout=TOOL_TIMEOUT_SECONDS, trusted_results=True)
def list_tags(context: ToolContext, limit: Limit = 10) -> ToolResult:
    """List the newest tags that can be released, and the environments where they are the current release."""
    with open_repository(context.environment) as repository:
        snapshot = repository.fetch_snapshot()
    tags = snapshot.version_tags[: _clamp_limit(limit)]
    environments = {
        tag.name: [name for name in ENVIRONMENTS if snapshot.current_commit(name) == tag.commit] for tag in tags
    }
    return ToolResult(
        summary="\n".join(format_tag(tag, environments[tag.name]) for tag in tags) or "There are no tags yet.",
        data={"tags": [{**tag_to_dict(tag), "environments": environments[tag.name]} for tag in tags]},
    )


@tool(effect="read", timeout=TOOL_TIMEOUT_SECONDS, trusted_results=True)
def current_release(context: ToolContext, environment: EnvironmentOrAll = ALL_ENVIRONMENTS) -> ToolResult:
    """Show what is deployed to an environment, or to `all` of them, and the newest tag to compare it with."""
    names = ENVIRONMENTS if environment == ALL_ENVIRONMENTS else (parse_environment(environment),)
    with open_repository(context.environment) as repository:
        snapshot = repository.fetch_snapshot()
    newest = next(iter(snapshot.version_tags), None)
    comparison = [f"The newest tag is {format_version(newest.name, newest.commit)}."] if newest else []
    return ToolResult(
        summary="\n".join([*(format_environment(snapshot, name) for name in names), *comparison]),
        data={
            "releases": [environment_to_dict(snapshot, name) for name in names],
            "newest_tag": newest and tag_to_dict(newest),
        },
    )


def _prepare_release(context: ToolContext, **arguments: Any) -> dict[str, Any]:
    return _prepare_arguments(context, partial(plan_release, **arguments))


def _prepare_roll_back(context: ToolContext, **arguments: Any) -> dict[str, Any]:
    return _prepare_arguments(context, partial(plan_rollback, **arguments))


def _check_deployment(
    action: Action, context: ToolContext, *, environment: str, commit: str = "", **_others: str
) -> ToolResult | None:
    """Return the result of this call if an interrupted attempt of it has completed the deployment, else None."""
    with open_repository(context.environment) as repository:
        snapshot = repository.fetch_snapshot()
    release = find_completed_release(
        snapshot, CallIdentity(context.key, action, environment, parse_commit_prefix(commit))
    )
    return _release_result(snapshot, release) if release else None


_check_release = partial(_check_deployment, "release")
_check_roll_back = partial(_check_deployment, "roll_back")


@tool(
    effect="verifiable",
    risk="high",
    ask=RELEASE_APPROVAL,
    prepare=_prepare_release,
    check=_check_release,
    timeout=TOOL_TIMEOUT_SECONDS,
    trusted_results=True,
)
def push_release_tag(
    context: ToolContext,
    environment: Environment,
    tag: str,
    commit: PreparedCommit = "",
    replaces: PreparedReplaces = "",
) -> ToolResult:
    """Release a tag: move the environment to the tag's commit and record it. This needs a person's approval.

    An approval is bound to `commit`, the tag's commit, and to `replaces`, the environment's current release: if either
    has changed when the call runs, nothing is done.
    """
    plan = partial(plan_release, environment=environment, tag=tag, commit=commit, replaces=replaces)
    return _deploy(context, plan, CallIdentity(context.key, "release", environment, parse_commit_prefix(commit)))


@tool(
    effect="verifiable",
    risk="high",
    ask=RELEASE_APPROVAL,
    prepare=_prepare_roll_back,
    check=_check_roll_back,
    timeout=TOOL_TIMEOUT_SECONDS,
    trusted_results=True,
)
def roll_back(
    context: ToolContext,
    environment: Environment,
    tag: PreparedText = "",
    commit: PreparedCommit = "",
    replaces: PreparedReplaces = "",
) -> ToolResult:
    """Roll an environment back to the release before its current one. This needs a person's approval.

    An approval is bound to `commit`, the target, and to `replaces`, the environment's current release: if either has
    changed when the call runs, nothing is done.
    """
    plan = partial(plan_rollback, environment=environment, tag=tag, commit=commit, replaces=replaces)
    return _deploy(context, plan, CallIdentity(context.key, "roll_back", environment, parse_commit_prefix(commit)))


def _prepare_arguments(context: ToolContext, plan: PlanDeployment) -> dict[str, Any]:
    """Return the arguments that an approval is bound to: exact commits, with their tags for the approver."""
    with open_repository(context.environment) as repository:
        snapshot = repository.fetch_snapshot()
        deployment = plan(snapshot)
        check_commit_exists(repository, deployment)
    replaces = snapshot.describe_with_full_id(deployment.replaces, deployment.environment)
    return {
        "environment": deployment.environment,
        "tag": deployment.tag,
        "commit": deployment.commit,
        "replaces": replaces,
    }


def _deploy(context: ToolContext, plan: PlanDeployment, call: CallIdentity) -> ToolResult:
    with open_repository(context.environment) as repository:
        snapshot, release = apply_deployment(repository, plan, call)
    return _release_result(snapshot, release)


def _release_result(snapshot: RepositorySnapshot, release: Release) -> ToolResult:
    return ToolResult(summary=format_release(snapshot, release), data=release.model_dump(mode="json"))


def _clamp_limit(limit: int) -> int:
    return min(max(limit, 1), MAX_LISTED)
