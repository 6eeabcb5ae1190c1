"""Tests of deployments that are repeated, interrupted, overtaken or rejected: each happens at most once."""

import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from agents.core.errors import ToolError, Unavailable
from agents.deploy.git import Git
from agents.deploy.repository import MAX_SPARE_CLONES, open_repository
from tests.agents.deploy.tool_runner import ToolRunner

GetTagCommit = Callable[[str], str]
ReadNote = Callable[[str], list[str]]
Commits = Mapping[str, str]
InstallHook = Callable[[str, str], None]


@pytest.mark.parametrize("name", ["push_release_tag", "roll_back"])
def test_move_does_not_overwrite_another_machines_move(
    operator: ToolRunner, other: ToolRunner, name: str, commits: Commits, get_tag_commit: GetTagCommit
) -> None:
    tag = {"tag": "v1.4.0"} if name == "push_release_tag" else {}
    prepared = operator.prepare(name, environment="production", **tag)
    other.prepare_and_run("push_release_tag", "theirs", environment="production", tag="v1.3.0")
    with pytest.raises(ToolError, match=r"production moved from v1\.2\.0 \(85d4297a\) to v1\.3\.0 \(aca8d1ea\)"):
        operator.run(name, **prepared)
    assert get_tag_commit("production") == commits["v1.3.0"]
    assert operator.check(name, **prepared) is None


def test_tag_moved_after_the_approval_is_rejected(
    operator: ToolRunner, remote: Git, commits: Commits, get_tag_commit: GetTagCommit
) -> None:
    prepared = operator.prepare("push_release_tag", environment="production", tag="v1.4.0")
    remote.run("update-ref", "refs/tags/v1.4.0", "main")
    with pytest.raises(ToolError, match=r"v1\.4\.0 is the commit 8ba42055, not 7116d49a"):
        operator.run("push_release_tag", **prepared)
    assert get_tag_commit("production") == commits["v1.2.0"]


@pytest.mark.parametrize("name", ["push_release_tag", "roll_back"])
def test_repeated_call_moves_the_environment_once(operator: ToolRunner, name: str, read_note: ReadNote) -> None:
    tag = {"tag": "v1.4.0"} if name == "push_release_tag" else {}
    prepared = operator.prepare(name, environment="production", **tag)
    assert operator.check(name, **prepared) is None
    first = operator.run(name, **prepared)
    assert operator.run(name, **prepared) == first
    checked = operator.check(name, **prepared)
    assert checked is not None
    assert checked.data == first.data
    assert sum('"key":"call"' in line for line in read_note(prepared["commit"])) == 1


@pytest.mark.parametrize("name", ["push_release_tag", "roll_back"])
def test_interrupted_move_is_completed_by_the_next_attempt(
    operator: ToolRunner, remote: Git, name: str, commits: Commits, read_note: ReadNote
) -> None:
    tag = {"tag": "v1.4.0"} if name == "push_release_tag" else {}
    prepared = operator.prepare(name, environment="production", **tag)
    remote.run("update-ref", "refs/tags/production", prepared["commit"])
    assert operator.check(name, **prepared) is None
    operator.run(name, **prepared)
    assert operator.check(name, **prepared) is not None
    assert json.loads(read_note(prepared["commit"])[-1])["previous"] == commits["v1.2.0"]


def test_undone_move_is_not_repeated(
    operator: ToolRunner, other: ToolRunner, commits: Commits, get_tag_commit: GetTagCommit
) -> None:
    prepared = operator.prepare("push_release_tag", environment="production", tag="v1.4.0")
    operator.run("push_release_tag", **prepared)
    other.prepare_and_run("roll_back", "theirs", environment="production")
    assert operator.check("push_release_tag", **prepared) is None
    with pytest.raises(ToolError, match=r"say that this call moved production to v1\.4\.0 .* but it is at v1\.2\.0"):
        operator.run("push_release_tag", **prepared)
    assert get_tag_commit("production") == commits["v1.2.0"]


def test_concurrent_moves_of_different_environments_succeed(
    operator: ToolRunner, other: ToolRunner, commits: Commits, read_note: ReadNote
) -> None:
    with ThreadPoolExecutor() as pool:
        one = pool.submit(operator.prepare_and_run, "push_release_tag", "one", environment="production", tag="v1.4.0")
        two = pool.submit(other.prepare_and_run, "push_release_tag", "two", environment="staging", tag="v1.4.0")
        assert {one.result().data["environment"], two.result().data["environment"]} == {"production", "staging"}
    assert {json.loads(line)["key"] for line in read_note(commits["v1.4.0"])} == {"one", "two"}


def test_calls_on_one_machine_wait_for_each_other(operator: ToolRunner) -> None:
    with ThreadPoolExecutor(5) as pool:
        calls = [pool.submit(operator.run, name) for name in ("list_tags", "list_commits", "current_release")]
        moves = [
            pool.submit(operator.prepare_and_run, "roll_back", environment, environment=environment)
            for environment in ("production", "staging")
        ]
        assert all(call.result().summary for call in (*calls, *moves))


def test_spare_clone_is_used_when_the_first_stays_locked(operator: ToolRunner) -> None:
    """A worker that stalls during a push keeps its lock after another worker has taken over the job."""
    with (
        open_repository(operator.environment) as stalled,
        open_repository(operator.environment, max_attempts=1) as next_worker,
    ):
        assert next_worker.git.folder != stalled.git.folder
        assert {tag.name for tag in next_worker.fetch_snapshot().tags} >= {"v1.4.0", "production"}
    with open_repository(operator.environment, max_attempts=1) as later:
        assert later.git.folder == stalled.git.folder


def test_unavailable_when_every_clone_is_locked(operator: ToolRunner) -> None:
    with ExitStack() as stack:
        for _ in range(1 + MAX_SPARE_CLONES):
            stack.enter_context(open_repository(operator.environment, max_attempts=1))
        with pytest.raises(Unavailable, match="in use"), open_repository(operator.environment, max_attempts=1):
            pass


def test_lock_files_of_a_killed_git_are_removed(operator: ToolRunner, other: ToolRunner) -> None:
    operator.run("list_tags")
    cache = Path(operator.environment["DEPLOY_CACHE"])
    other.prepare_and_run("push_release_tag", environment="production", tag="v1.4.0")
    for lock in ("packed-refs.lock", "HEAD.lock", "refs/tags/production.lock"):
        (cache / lock).parent.mkdir(parents=True, exist_ok=True)
        (cache / lock).touch()
    assert "production is v1.4.0" in operator.run("current_release").summary


def test_rejection_by_the_remote_is_reported_in_its_words(
    operator: ToolRunner, install_hook: InstallHook, get_tag_commit: GetTagCommit
) -> None:
    install_hook("pre-receive", "echo 'frozen until Monday' >&2; exit 1")
    before = get_tag_commit("production")
    with pytest.raises(ToolError, match="frozen until Monday"):
        operator.prepare_and_run("push_release_tag", environment="production", tag="v1.4.0")
    assert get_tag_commit("production") == before


def test_constantly_changing_remote_is_unavailable(operator: ToolRunner, install_hook: InstallHook) -> None:
    install_hook("update", "echo 'cannot lock ref' >&2; exit 1")
    with pytest.raises(Unavailable, match="try again in a moment"):
        operator.prepare_and_run("push_release_tag", environment="production", tag="v1.4.0")
