"""Fixtures with two tool runners, as on two machines, that share one real remote."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from agents.deploy import AGENT
from agents.deploy.git import Git
from tests.agents.deploy.tool_runner import ToolRunner

SAMPLE_COMMITS = {
    "v1.0.0": "87a7c7f6cd66d3f4cca3e264b6abd6eecec3cd59",
    "v1.1.0": "2396534c190adc09741447fca9eabb6e8f94b16d",
    "v1.2.0": "85d4297abe5fc150e84c47f9bea9030059856b3a",
    "v1.3.0": "aca8d1ea4dc086a92055130cab7e38f3bc8dd641",
    "v1.4.0": "7116d49a66641e67b7744a4c15007fbcd69ee998",
}


@pytest.fixture(scope="session")
def git_environment() -> dict[str, str]:
    """Return an environment with the PATH of the git program, the only variable that the tools need."""
    git = shutil.which("git")
    assert git is not None
    return {"PATH": f"{Path(git).parent}:/usr/bin:/bin"}


@pytest.fixture
def operator(tmp_path: Path, git_environment: dict[str, str]) -> ToolRunner:
    """Return a runner on the first machine."""
    return ToolRunner(AGENT.set_up(tmp_path / "home", git_environment))


@pytest.fixture
def other(tmp_path: Path, git_environment: dict[str, str], operator: ToolRunner) -> ToolRunner:
    """Return a runner on another machine with the same remote."""
    return ToolRunner(
        AGENT.set_up(tmp_path / "elsewhere", {**git_environment, "DEPLOY_REPO": operator.environment["DEPLOY_REPO"]})
    )


@pytest.fixture
def remote(operator: ToolRunner, git_environment: dict[str, str]) -> Git:
    """Return the bare remote repository itself."""
    return Git(Path(operator.environment["DEPLOY_REPO"]), environment=git_environment)


@pytest.fixture
def commits() -> dict[str, str]:
    """Return the commits of the sample's tags, which are the same on every machine."""
    return SAMPLE_COMMITS


@pytest.fixture
def get_tag_commit(remote: Git) -> Callable[[str], str]:
    """Return a function that reads the commit of an environment's tag in the remote."""
    return lambda environment: remote.run("rev-parse", f"refs/tags/{environment}^{{commit}}").strip()


@pytest.fixture
def read_note(remote: Git) -> Callable[[str], list[str]]:
    """Return a function that reads the lines of the releases note of a commit."""
    return lambda commit: remote.run("notes", "--ref=releases", "show", commit).splitlines()


@pytest.fixture
def install_hook(remote: Git) -> Callable[[str, str], None]:
    """Return a function that installs a shell script as a git hook of the remote."""

    def install(name: str, script: str) -> None:
        file = remote.folder / "hooks" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)

    return install


@pytest.fixture
def make_git(tmp_path: Path) -> Callable[[str], Git]:
    """Return a function that makes a git program from a shell script; its remote has the password `hunter2`."""

    def make(script: str) -> Git:
        program = tmp_path / "bin" / "git"
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        return Git(tmp_path / "repo.git", "https://bot:hunter2@git.example/app", {"PATH": str(program.parent)})

    return make
