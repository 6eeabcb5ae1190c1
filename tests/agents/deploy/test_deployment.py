"""Tests of races between the fetch and the push of a deployment."""

from collections.abc import Callable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.core.errors import ToolError
from agents.deploy.deployment import (
    Deployment,
    PlanDeployment,
    apply_deployment,
    find_completed_release,
    plan_release,
    plan_rollback,
)
from agents.deploy.git import Git
from agents.deploy.releases import CallIdentity, Release
from agents.deploy.repository import open_repository
from agents.deploy.snapshot import RepositorySnapshot, Tag
from tests.agents.deploy.tool_runner import ToolRunner

CALL = CallIdentity("mine", "release", "production")
SNAPSHOT = RepositorySnapshot(
    tags=(Tag("v1.0.0", "a" * 40, "a" * 40, "", ""), Tag("staging", "a" * 40, "a" * 40, "", "")), releases=()
)


def test_concurrent_move_of_the_same_environment_is_rejected(
    operator: ToolRunner, other: ToolRunner, commits: Mapping[str, str], get_tag_commit: Callable[[str], str]
) -> None:
    plan = _plan_with_interruption(
        lambda: other.prepare_and_run("push_release_tag", environment="production", tag="v1.3.0")
    )
    with (
        open_repository(operator.environment) as repository,
        pytest.raises(ToolError, match=r"production moved from v1\.2\.0"),
    ):
        apply_deployment(repository, plan, CALL)
    assert get_tag_commit("production") == commits["v1.3.0"]


def test_concurrent_change_of_the_notes_is_retried(
    operator: ToolRunner, other: ToolRunner, commits: Mapping[str, str], get_tag_commit: Callable[[str], str]
) -> None:
    plan = _plan_with_interruption(
        lambda: other.prepare_and_run("push_release_tag", "theirs", environment="staging", tag="v1.4.0")
    )
    with open_repository(operator.environment) as repository:
        apply_deployment(repository, plan, CALL)
        keys = [release.key for release in repository.fetch_snapshot().releases if release.commit == commits["v1.4.0"]]
    assert sorted(keys) == ["mine", "theirs"]
    assert get_tag_commit("production") == get_tag_commit("staging") == commits["v1.4.0"]


def test_same_call_on_two_machines_makes_one_record(
    operator: ToolRunner, other: ToolRunner, commits: Mapping[str, str], read_note: Callable[[str], list[str]]
) -> None:
    plan = _plan_with_interruption(
        lambda: other.prepare_and_run("push_release_tag", "mine", environment="production", tag="v1.4.0")
    )
    with open_repository(operator.environment) as repository:
        _, release = apply_deployment(repository, plan, CALL)
    assert read_note(commits["v1.4.0"]) == [release.to_line()]


def test_rejected_push_changes_nothing(
    operator: ToolRunner, other: ToolRunner, commits: Mapping[str, str], get_tag_commit: Callable[[str], str]
) -> None:
    release = Release(environment="production", tag="v1.4.0", commit=commits["v1.4.0"], key="late")
    with open_repository(operator.environment) as repository:
        snapshot = repository.fetch_snapshot()
        other.prepare_and_run("roll_back", "theirs", environment="staging")
        assert not repository.push_release(release, snapshot)
        assert "late" not in {release.key for release in repository.fetch_snapshot().releases}
    assert get_tag_commit("production") == commits["v1.2.0"]


@given(tag=st.text(), environment=st.text(), commit=st.text(), replaces=st.text())
def test_invalid_proposals_raise_tool_errors(tag: str, environment: str, commit: str, replaces: str) -> None:
    attempts: tuple[Callable[[], Deployment], ...] = (
        lambda: plan_release(SNAPSHOT, environment=environment, tag=tag, commit=commit, replaces=replaces),
        lambda: plan_release(SNAPSHOT, environment="staging", tag=f"{tag}!", commit=commit, replaces=replaces),
        lambda: plan_rollback(SNAPSHOT, environment="staging", tag=tag, commit=commit, replaces=replaces),
    )
    for plan in attempts:
        with pytest.raises(ToolError):
            plan()


def test_record_alone_is_not_a_completed_release() -> None:
    record = Release(environment="staging", commit="b" * 40, key="k")
    call = CallIdentity("k", "release", "staging")
    assert find_completed_release(RepositorySnapshot(tags=SNAPSHOT.tags, releases=(record,)), call) is None
    assert find_completed_release(SNAPSHOT, call) is None


@pytest.mark.parametrize(
    "forged",
    [
        {"environment": "production", "commit": "c" * 40},
        {"environment": "staging", "commit": "a" * 40},
        {"environment": "production", "commit": "a" * 40, "action": "roll_back"},
    ],
)
def test_forged_record_with_a_calls_key_does_not_match_it(forged: dict[str, str]) -> None:
    record = Release.model_validate({"key": "k", **forged})
    environment_tag = Tag(record.environment, record.commit, record.commit, "", "")
    call = CallIdentity("k", "release", "production", "a" * 40)
    assert find_completed_release(RepositorySnapshot(tags=(environment_tag,), releases=(record,)), call) is None


def test_forged_record_does_not_prevent_a_release(
    operator: ToolRunner, remote: Git, commits: Mapping[str, str], get_tag_commit: Callable[[str], str]
) -> None:
    forged = Release(environment="production", tag="v1.2.0", commit=commits["v1.2.0"], number=99, key="mine")
    remote.run("notes", "--ref=releases", "append", f"--message={forged.to_line()}", commits["v1.2.0"])
    prepared = operator.prepare("push_release_tag", environment="production", tag="v1.4.0")
    assert operator.check("push_release_tag", "mine", **prepared) is None
    assert operator.run("push_release_tag", "mine", **prepared).data["commit"] == commits["v1.4.0"]
    assert get_tag_commit("production") == commits["v1.4.0"]


def _plan_with_interruption(interruption: Callable[[], object]) -> PlanDeployment:
    """Return a plan for v1.4.0 on production that does something after the fetch and before the push."""

    def plan(snapshot: RepositorySnapshot) -> Deployment:
        deployment = plan_release(snapshot, environment="production", tag="v1.4.0")
        interruption()
        return deployment

    return plan
