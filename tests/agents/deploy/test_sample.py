"""The sample remote: the same on every machine, whoever makes it."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from agents.deploy import set_up
from agents.deploy.git import Git
from agents.deploy.sample import ensure_sample_remote
from agents.deploy.tools import list_tags
from agents.errors import ConfigurationError
from agents.tools import ToolContext


def test_the_sample_has_the_same_ids_on_every_machine(
    tmp_path: Path, path: dict[str, str], commits: Mapping[str, str]
) -> None:
    git = Git(ensure_sample_remote(tmp_path, path), environment=path)
    assert {tag: git.run("rev-parse", f"{tag}^{{commit}}").strip() for tag in commits} == commits
    assert git.run("rev-parse", "main").strip() == "8ba4205510f746a8c6e1bdfed8d9a891f1ca074f"
    assert git.run("rev-parse", "production", "staging").split() == [commits["v1.2.0"], commits["v1.3.0"]]


def test_the_notes_of_the_sample_have_the_same_id_too(tmp_path: Path, path: dict[str, str]) -> None:
    one, two = (Git(ensure_sample_remote(tmp_path / name, path), environment=path) for name in ("one", "two"))
    assert one.run("rev-parse", "refs/notes/releases") == two.run("rev-parse", "refs/notes/releases")


def test_the_sample_is_a_sound_repository_that_can_be_cloned(tmp_path: Path, path: dict[str, str]) -> None:
    remote = ensure_sample_remote(tmp_path, path)
    assert Git(remote, environment=path).run("fsck", "--strict", "--no-dangling") == ""
    Git(tmp_path / "clone", environment=path).run("clone", "--quiet", "--", str(remote), str(tmp_path / "clone"))
    assert (tmp_path / "clone" / "README.md").read_text() == "# Berths\n\nWho lies where in the harbour.\n"


def test_those_who_make_the_sample_together_get_one_and_leave_nothing_behind(
    tmp_path: Path, path: dict[str, str]
) -> None:
    with ThreadPoolExecutor(6) as pool:
        made = list(pool.map(lambda _: ensure_sample_remote(tmp_path / "sample", path), range(6)))
    assert set(made) == {tmp_path / "sample" / "remote.git"}
    assert [file.name for file in (tmp_path / "sample").iterdir()] == ["remote.git"]


def test_a_sample_that_is_there_is_left_alone(tmp_path: Path, path: dict[str, str]) -> None:
    git = Git(Path(set_up(tmp_path, path)["DEPLOY_REPO"]), environment=path)
    git.run("tag", "v9", "main")
    assert set_up(tmp_path, path)["DEPLOY_REPO"] == str(git.folder)
    assert git.run("tag", "--list", "v9") == "v9\n"


def test_without_git_nothing_is_made_and_only_the_tools_complain(tmp_path: Path) -> None:
    given = set_up(tmp_path, {"PATH": ""})
    assert list((tmp_path / "sample").iterdir()) == []
    with pytest.raises(ConfigurationError, match="install git"):
        list_tags.run(ToolContext(key="k", environment=given))


def test_with_git_back_the_sample_is_made_at_the_next_start(tmp_path: Path, path: dict[str, str]) -> None:
    assert set_up(tmp_path, {"PATH": ""})["DEPLOY_REPO"] == set_up(tmp_path, path)["DEPLOY_REPO"]
    assert (tmp_path / "sample" / "remote.git" / "HEAD").exists()
