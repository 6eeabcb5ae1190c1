"""Tests of the tools on a real remote, called as the engine calls them: prepare, run, check."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from agents.core.errors import ConfigurationError, InvalidArguments, ToolError, Unavailable
from agents.core.messages import Assurance
from agents.core.tools import ToolContext
from agents.deploy import AGENT
from agents.deploy.git import Git
from tests.agents.deploy.tool_runner import ToolRunner
from tests.slow_cases import slow_after_first

GetTagCommit = Callable[[str], str]
ReadNote = Callable[[str], list[str]]
Commits = Mapping[str, str]


def test_commits_are_listed_newest_first_with_their_tags(operator: ToolRunner, commits: Commits) -> None:
    listed = operator.run("list_commits", limit=3)
    newest, released, before = listed.data["commits"]
    assert newest["subject"] == "Ask for the boat's draught too"
    assert (released["id"], released["tags"]) == (commits["v1.4.0"], ["v1.4.0"])
    assert (before["author"], before["at"]) == ("Priya Nair", "2026-10-01T15:40:00+00:00")
    assert "7116d49a 2026-10-02 Tom Okafor: Tell the next in line when a berth is free [v1.4.0]" in listed.summary


def test_commit_without_a_subject_is_listed(operator: ToolRunner, remote: Git) -> None:
    tree = remote.run("rev-parse", "main^{tree}").strip()
    commit = remote.run("commit-tree", tree, "-p", "main").strip()
    remote.run("update-ref", "refs/heads/main", commit)
    assert [c["subject"] for c in operator.run("list_commits", limit=2).data["commits"]] == [
        "",
        "Ask for the boat's draught too",
    ]


def test_commits_are_listed_without_a_default_branch(operator: ToolRunner, remote: Git) -> None:
    remote.run("symbolic-ref", "HEAD", "refs/heads/gone")
    assert len(operator.run("list_commits", limit=100).data["commits"]) == 9


def test_tags_are_listed_newest_first_with_their_environments(operator: ToolRunner) -> None:
    listed = operator.run("list_tags", limit=3)
    assert [(tag["name"], tag["environments"]) for tag in listed.data["tags"]] == [
        ("v1.4.0", []),
        ("v1.3.0", ["staging"]),
        ("v1.2.0", ["production"]),
    ]
    assert "v1.2.0 (85d4297a) 2026-09-16: Round invoices to the cent [production]" in listed.summary


@pytest.mark.parametrize(("limit", "listed"), [(-1, 1), (0, 1), (2, 2), (10_000, 5)])
def test_limit_is_clamped(operator: ToolRunner, limit: int, listed: int) -> None:
    assert len(operator.run("list_tags", limit=limit).data["tags"]) == listed


def test_current_release_shows_all_environments_and_newest_tag(operator: ToolRunner) -> None:
    assert operator.run("current_release").summary.splitlines() == [
        "production is v1.2.0 (85d4297a): Round invoices to the cent",
        "staging is v1.3.0 (aca8d1ea): Show free berths on a map",
        "The newest tag is v1.4.0 (7116d49a).",
    ]


def test_current_release_of_one_environment_shows_only_it(operator: ToolRunner, commits: Commits) -> None:
    (release,) = operator.run("current_release", environment="staging").data["releases"]
    assert (release["environment"], release["tag"], release["commit"]) == ("staging", "v1.3.0", commits["v1.3.0"])


def test_environment_without_a_release_is_reported(operator: ToolRunner, remote: Git) -> None:
    assert "staging is v1.3.0" in operator.run("current_release").summary
    remote.run("update-ref", "-d", "refs/tags/staging")
    answer = operator.run("current_release", environment="staging")
    assert answer.summary.startswith("Nothing is released to staging yet.")
    assert answer.data["releases"] == [{"environment": "staging", "tag": None, "commit": None}]


def test_empty_remote_has_no_commits_tags_or_releases(tmp_path: Path, git_environment: dict[str, str]) -> None:
    Git(tmp_path / "empty.git", environment=git_environment).run("init", "--quiet", "--bare")
    context = ToolContext(
        "k", AGENT.set_up(tmp_path / "home", {**git_environment, "DEPLOY_REPO": str(tmp_path / "empty.git")})
    )
    summaries = [tool.run(context).summary for tool in AGENT.tools if tool.defaults.effect == "read"]
    assert summaries == [
        "There are no commits yet.",
        "There are no tags yet.",
        "Nothing is released to production yet.\nNothing is released to staging yet.",
    ]


def test_only_releases_and_rollbacks_need_the_release_role() -> None:
    risky = [tool for tool in AGENT.tools if tool.defaults.effect != "read"]
    assert [tool.name for tool in risky] == ["push_release_tag", "roll_back"]
    for tool in risky:
        assert (tool.defaults.effect, tool.defaults.risk) == ("verifiable", "high")
        assert tool.defaults.ask.roles == ("release",)
        assert (tool.defaults.ask.min_assurance, tool.defaults.ask.expires) == (Assurance.MEDIUM, 1800)


def test_prepare_resolves_exact_commits(operator: ToolRunner, commits: Commits) -> None:
    assert operator.prepare("push_release_tag", environment="production", tag="v1.4.0", commit="7116D49A") == {
        "environment": "production",
        "tag": "v1.4.0",
        "commit": commits["v1.4.0"],
        "replaces": f"v1.2.0 {commits['v1.2.0']}",
    }


def test_preparing_twice_changes_nothing(operator: ToolRunner) -> None:
    for name, arguments in (
        ("push_release_tag", {"environment": "staging", "tag": "v1.4.0"}),
        ("roll_back", {"environment": "production"}),
    ):
        prepared = operator.prepare(name, **arguments)
        assert operator.prepare(name, **prepared) == prepared


@pytest.mark.parametrize("name", ["Production", " PROD ", "prod", "production"])
def test_environment_aliases_are_normalized(operator: ToolRunner, name: str) -> None:
    assert operator.prepare("roll_back", environment=name)["environment"] == "production"


def test_unknown_tag_error_names_the_newest_tags(operator: ToolRunner) -> None:
    with pytest.raises(ToolError, match=r"no tag 'v9'; the newest are v1\.4\.0, v1\.3\.0"):
        operator.prepare("push_release_tag", environment="staging", tag="v9")


def test_unknown_environment_error_names_the_environments(operator: ToolRunner) -> None:
    for name, arguments in (("push_release_tag", {"tag": "v1.4.0"}), ("roll_back", {})):
        with pytest.raises(ToolError, match="no environment 'moon'; choose production or staging"):
            operator.prepare(name, environment="moon", **arguments)
    with pytest.raises(ToolError, match="choose production or staging"):
        operator.run("current_release", environment="moon")


def test_environment_tag_cannot_be_released(operator: ToolRunner) -> None:
    with pytest.raises(ToolError, match="staging is an environment"):
        operator.prepare("push_release_tag", environment="production", tag="staging")


def test_commit_that_differs_from_the_tag_is_rejected(operator: ToolRunner, commits: Commits) -> None:
    with pytest.raises(ToolError, match=r"v1\.4\.0 is the commit 7116d49a, not 85d4297a"):
        operator.prepare("push_release_tag", environment="staging", tag="v1.4.0", commit=commits["v1.2.0"])


def test_misspelt_argument_is_rejected_by_name(operator: ToolRunner) -> None:
    with pytest.raises(InvalidArguments, match="push_release_tag: tag: Field required"):
        operator.prepare("push_release_tag", environment="staging")


def test_release_moves_the_tag_on_the_remote(
    operator: ToolRunner, commits: Commits, get_tag_commit: GetTagCommit
) -> None:
    done = operator.prepare_and_run("push_release_tag", environment="production", tag="v1.4.0")
    assert done.summary == "production is now v1.4.0 (7116d49a); it was v1.2.0 (85d4297a)."
    assert get_tag_commit("production") == commits["v1.4.0"]
    assert get_tag_commit("staging") == commits["v1.3.0"]


def test_release_writes_its_record_as_one_json_line(
    operator: ToolRunner, commits: Commits, read_note: ReadNote
) -> None:
    operator.prepare_and_run("push_release_tag", "thread_1:call_2", environment="production", tag="v1.4.0")
    (line,) = read_note(commits["v1.4.0"])
    assert json.loads(line) == {
        "number": 4,
        "action": "release",
        "environment": "production",
        "tag": "v1.4.0",
        "commit": commits["v1.4.0"],
        "previous": commits["v1.2.0"],
        "key": "thread_1:call_2",
    }


def test_record_is_appended_to_an_existing_note(
    operator: ToolRunner, remote: Git, commits: Commits, read_note: ReadNote
) -> None:
    remote.run(
        "notes", "--ref=releases", "add", "--force", "--message=# Seen by Ines\n\n{not a record", commits["v1.3.0"]
    )
    operator.prepare_and_run("push_release_tag", environment="production", tag="v1.3.0")
    *existing, line = read_note(commits["v1.3.0"])
    assert existing == ["# Seen by Ines", "", "{not a record"]
    assert json.loads(line)["environment"] == "production"


def test_first_release_replaces_nothing(
    operator: ToolRunner, remote: Git, commits: Commits, read_note: ReadNote
) -> None:
    remote.run("update-ref", "-d", "refs/tags/staging")
    remote.run("update-ref", "-d", "refs/notes/releases")
    prepared = operator.prepare("push_release_tag", environment="staging", tag="v1.4.0")
    assert prepared["replaces"] == "nothing"
    assert operator.run("push_release_tag", **prepared).summary == "staging is now v1.4.0 (7116d49a)."
    assert json.loads(read_note(commits["v1.4.0"])[0])["previous"] == ""


def test_lightweight_and_annotated_tags_can_be_used(
    operator: ToolRunner, remote: Git, commits: Commits, get_tag_commit: GetTagCommit
) -> None:
    remote.run("update-ref", "refs/tags/v1.3.1", commits["v1.3.0"])
    remote.run("tag", "--annotate", "--force", "--message=by hand", "production", commits["v1.1.0"])
    done = operator.prepare_and_run("push_release_tag", environment="production", tag="v1.3.1")
    assert done.data["previous"] == commits["v1.1.0"]
    assert get_tag_commit("production") == commits["v1.3.0"]


def test_rollback_names_its_target_release(operator: ToolRunner, commits: Commits) -> None:
    assert operator.prepare("roll_back", environment="production") == {
        "environment": "production",
        "tag": "v1.1.0",
        "commit": commits["v1.1.0"],
        "replaces": f"v1.2.0 {commits['v1.2.0']}",
    }


def test_two_rollbacks_go_back_two_releases(
    operator: ToolRunner, commits: Commits, get_tag_commit: GetTagCommit
) -> None:
    first = operator.prepare_and_run("roll_back", "first", environment="production")
    assert first.summary == "production is back at v1.1.0 (2396534c); it was v1.2.0 (85d4297a)."
    operator.prepare_and_run("roll_back", "second", environment="production")
    assert get_tag_commit("production") == commits["v1.0.0"]
    with pytest.raises(ToolError, match="no earlier release of production"):
        operator.prepare("roll_back", environment="production")


def test_rollback_after_a_manual_move_uses_the_last_release(
    operator: ToolRunner, remote: Git, commits: Commits
) -> None:
    remote.run("update-ref", "refs/tags/production", commits["v1.4.0"])
    assert operator.prepare("roll_back", environment="production")["tag"] == "v1.2.0"


def test_rollback_to_an_older_release_is_rejected(operator: ToolRunner, commits: Commits) -> None:
    for named in ({"commit": commits["v1.0.0"]}, {"tag": "v1.0.0"}):
        with pytest.raises(ToolError, match=r"to go back to is v1\.1\.0 \(2396534c\)"):
            operator.prepare("roll_back", environment="production", **named)


def test_rollback_to_a_missing_commit_is_rejected(operator: ToolRunner, remote: Git, commits: Commits) -> None:
    record = json.dumps({"environment": "staging", "number": 9, "commit": commits["v1.3.0"], "previous": "ab" * 20})
    remote.run("notes", "--ref=releases", "append", f"--message={record}", commits["v1.3.0"])
    with pytest.raises(ToolError, match=r"a person names it: roll back staging to abababab\."):
        operator.prepare("roll_back", environment="staging")
    with pytest.raises(ToolError, match="abababab is no longer in the repository"):
        operator.prepare("roll_back", environment="staging", commit="abababab")


def test_forged_and_invalid_records_are_ignored(operator: ToolRunner, remote: Git, commits: Commits) -> None:
    for line in ('{"environment": "production"', "[]", '{"environment": "production", "commit": "--force"}'):
        remote.run("notes", "--ref=releases", "append", f"--message={line}", commits["v1.2.0"])
    assert operator.prepare("roll_back", environment="production")["tag"] == "v1.1.0"


def test_missing_remote_error_names_the_variable(tmp_path: Path, git_environment: dict[str, str]) -> None:
    context = ToolContext("k", AGENT.set_up(tmp_path, {**git_environment, "DEPLOY_REPO": str(tmp_path / "none")}))
    with pytest.raises(ToolError, match="Set DEPLOY_REPO to one that git can push to"):
        AGENT.tools[0].run(context)


def test_unreachable_remote_is_unavailable(tmp_path: Path, git_environment: dict[str, str]) -> None:
    context = ToolContext("k", AGENT.set_up(tmp_path, {**git_environment, "DEPLOY_REPO": "git://127.0.0.1:1/app"}))
    with pytest.raises(Unavailable, match=r"git://127\.0\.0\.1:1/app is not available now: .*Connection refused"):
        AGENT.tools[0].run(context)


def test_missing_git_error_says_what_to_install(operator: ToolRunner) -> None:
    for tool in AGENT.tools:
        with pytest.raises(ConfigurationError, match="install git"):
            tool.run(ToolContext("k", {**operator.environment, "PATH": ""}), **_valid_arguments(tool.name))


def test_tools_without_set_up_name_the_missing_variables() -> None:
    with pytest.raises(ConfigurationError, match="DEPLOY_REPO and DEPLOY_CACHE"):
        AGENT.tools[0].run(ToolContext("k", {}))


HOSTILE_VALUES = (
    "--upload-pack=touch ran",
    "-x",
    "v1.4.0;touch ran",
    "$(touch ran)",
    "`touch ran`",
    "v1..v2",
    "v1 v2",
    "v1\n",
    "v1\0",
    "v1^{commit}",
    "@{0}",
    "refs/tags/v1.4.0:refs/heads/main",
    "+v1.4.0",
    "",
    "\ud800",
)


@pytest.mark.parametrize("hostile_value", HOSTILE_VALUES)
@pytest.mark.parametrize("argument", slow_after_first(["tag", "environment", "commit", "replaces"]))
def test_no_argument_is_read_as_an_option_or_executed(
    operator: ToolRunner, tmp_path: Path, argument: str, hostile_value: str
) -> None:
    arguments = {"environment": "production", "tag": "v1.4.0", argument: hostile_value or "-"}
    tool = AGENT.get_tool("push_release_tag")
    assert tool is not None
    for call in (tool.run, tool.prepare):
        assert call is not None
        with pytest.raises(ToolError):
            call(ToolContext("k", operator.environment), **arguments)
    assert not list(tmp_path.rglob("ran"))
    assert "production is v1.2.0" in operator.run("current_release").summary


def _valid_arguments(name: str) -> dict[str, str]:
    return {
        "push_release_tag": {"environment": "staging", "tag": "v1.4.0"},
        "roll_back": {"environment": "staging"},
    }.get(name, {})


def forge(remote: Git, environment: str, tag: str, commit: str) -> None:
    """Push a forged release record, without moving an environment's tag."""
    record = json.dumps({"environment": environment, "number": 99, "tag": tag, "commit": commit})
    remote.run("notes", "--ref=releases", "append", f"--message={record}", commit)


def test_recorded_name_of_another_commit_is_not_shown(operator: ToolRunner, remote: Git, commits: Commits) -> None:
    forge(remote, "production", "v1.1.0", commits["v1.2.0"])
    assert operator.run("current_release").summary.startswith("production is v1.2.0 (85d4297a)")
    prepared = operator.prepare("push_release_tag", environment="production", tag="v1.4.0")
    assert prepared["replaces"] == f"v1.2.0 {commits['v1.2.0']}"


def test_untagged_commit_is_shown_with_its_recorded_name(operator: ToolRunner, remote: Git) -> None:
    main = remote.run("rev-parse", "main").strip()
    remote.run("update-ref", "refs/tags/production", "main")
    forge(remote, "production", "v1.1.0", main)
    description = "recorded as v1.1.0, but that tag does not name this commit; check the tag before releasing"
    result = operator.run("current_release", environment="production")
    assert result.summary.startswith(f"production is {main[:8]} ({description}): Ask for")
    assert result.data["releases"][0]["tag"] is None
    prepared = operator.prepare("push_release_tag", environment="production", tag="v1.4.0")
    assert prepared["replaces"] == f"{description}: {main}"
    assert operator.run("push_release_tag", **prepared).summary.endswith(f"it was {main[:8]} ({description}).")


def test_rollback_to_an_untagged_commit_needs_its_id(
    operator: ToolRunner, remote: Git, get_tag_commit: GetTagCommit
) -> None:
    main = remote.run("rev-parse", "main").strip()
    forge(remote, "production", "v1.1.0", main)
    with pytest.raises(ToolError, match=rf"recorded as v1\.1\.0, but that tag .* roll back production to {main[:8]}\."):
        operator.prepare("roll_back", environment="production")
    prepared = operator.prepare("roll_back", environment="production", commit=main[:8])
    assert (prepared["tag"], prepared["commit"]) == ("", main)
    operator.run("roll_back", **prepared)
    assert get_tag_commit("production") == main


def test_tag_that_conflicts_with_an_environment_is_explained(operator: ToolRunner, remote: Git) -> None:
    remote.run("update-ref", "-d", "refs/tags/production")
    remote.run("update-ref", "refs/tags/production/x", "main")
    with pytest.raises(ToolError, match=r"The tag 'production/x' conflicts with .* Rename or delete"):
        operator.prepare("push_release_tag", environment="production", tag="v1.4.0")
    assert operator.prepare("push_release_tag", environment="staging", tag="v1.4.0")["tag"] == "v1.4.0"
