"""Tests of the sample remote, which is identical on every machine."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from agents.core.errors import ConfigurationError
from agents.core.tools import ToolContext
from agents.deploy import set_up
from agents.deploy.git import Git
from agents.deploy.sample import ensure_sample_remote
from agents.deploy.tools import list_tags


def test_sample_has_the_same_commit_ids_on_every_machine(
    tmp_path: Path, git_environment: dict[str, str], commits: Mapping[str, str]
) -> None:
    git = Git(ensure_sample_remote(tmp_path, git_environment), environment=git_environment)
    assert {tag: git.run("rev-parse", f"{tag}^{{commit}}").strip() for tag in commits} == commits
    assert git.run("rev-parse", "main").strip() == "8ba4205510f746a8c6e1bdfed8d9a891f1ca074f"
    assert git.run("rev-parse", "production", "staging").split() == [commits["v1.2.0"], commits["v1.3.0"]]


def test_sample_notes_have_the_same_id_on_every_machine(tmp_path: Path, git_environment: dict[str, str]) -> None:
    one, two = (
        Git(ensure_sample_remote(tmp_path / name, git_environment), environment=git_environment)
        for name in ("one", "two")
    )
    assert one.run("rev-parse", "refs/notes/releases") == two.run("rev-parse", "refs/notes/releases")


def test_sample_passes_fsck_and_can_be_cloned(tmp_path: Path, git_environment: dict[str, str]) -> None:
    remote = ensure_sample_remote(tmp_path, git_environment)
    assert Git(remote, environment=git_environment).run("fsck", "--strict", "--no-dangling") == ""
    Git(tmp_path / "clone", environment=git_environment).run(
        "clone", "--quiet", "--", str(remote), str(tmp_path / "clone")
    )
    assert (tmp_path / "clone" / "README.md").read_text() == "# Berths\n\nWho lies where in the harbour.\n"


def test_concurrent_creation_makes_one_sample(tmp_path: Path, git_environment: dict[str, str]) -> None:
    with ThreadPoolExecutor(6) as pool:
        remotes = list(pool.map(lambda _: ensure_sample_remote(tmp_path / "sample", git_environment), range(6)))
    assert set(remotes) == {tmp_path / "sample" / "remote.git"}
    assert [file.name for file in (tmp_path / "sample").iterdir()] == ["remote.git"]


def test_existing_sample_is_not_changed(tmp_path: Path, git_environment: dict[str, str]) -> None:
    git = Git(Path(set_up(tmp_path, git_environment)["DEPLOY_REPO"]), environment=git_environment)
    git.run("tag", "v9", "main")
    assert set_up(tmp_path, git_environment)["DEPLOY_REPO"] == str(git.folder)
    assert git.run("tag", "--list", "v9") == "v9\n"


def test_without_git_only_the_tools_fail(tmp_path: Path) -> None:
    environment = set_up(tmp_path, {"PATH": ""})
    assert list((tmp_path / "sample").iterdir()) == []
    with pytest.raises(ConfigurationError, match="install git"):
        list_tags.run(ToolContext(key="k", environment=environment))


def test_sample_is_created_at_the_next_start_with_git(tmp_path: Path, git_environment: dict[str, str]) -> None:
    assert set_up(tmp_path, {"PATH": ""})["DEPLOY_REPO"] == set_up(tmp_path, git_environment)["DEPLOY_REPO"]
    assert (tmp_path / "sample" / "remote.git" / "HEAD").exists()
