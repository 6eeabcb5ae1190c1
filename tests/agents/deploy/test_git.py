"""Tests of the git runner: its environment, time limit and errors."""

from collections.abc import Callable
from pathlib import Path

import pytest

from agents.core.errors import ConfigurationError, HandrailError, ToolError, Unavailable
from agents.deploy.git import Git, GitResult

MakeGit = Callable[[str], Git]
"""Makes a git program from a shell script; its remote has the password `hunter2`."""


def test_git_inherits_only_the_listed_variables(make_git: MakeGit) -> None:
    git = make_git("/usr/bin/env")
    output = Git(git.folder, git.remote, {**git.environment, "SLACK_BOT_TOKEN": "x", "HOME": "/home/bot"}).run("status")
    variables = dict(line.split("=", 1) for line in output.splitlines())
    assert "SLACK_BOT_TOKEN" not in variables
    assert variables["HOME"] == "/home/bot"
    assert (variables["LC_ALL"], variables["GIT_TERMINAL_PROMPT"]) == ("C", "0")
    assert (variables["GIT_CONFIG_GLOBAL"], variables["GIT_CONFIG_SYSTEM"]) == ("/dev/null", "/dev/null")
    assert variables["GIT_COMMITTER_NAME"] == "Handrail"


def test_configuration_file_named_by_the_operator_is_used(make_git: MakeGit) -> None:
    git = make_git("/usr/bin/env")
    output = Git(git.folder, git.remote, {**git.environment, "GIT_CONFIG_GLOBAL": "/etc/bot/gitconfig"}).run("status")
    assert "GIT_CONFIG_GLOBAL=/etc/bot/gitconfig" in output.splitlines()


def test_credentials_are_not_on_the_command_line_or_in_repr(make_git: MakeGit) -> None:
    git = make_git('echo "$@"')
    assert "hunter2" in git.remote
    assert git.run("fetch", "origin") == f"--git-dir={git.folder} fetch origin\n"
    assert "hunter2" not in repr(git)


def test_remote_is_origin_and_ext_protocol_is_rejected(tmp_path: Path, git_environment: dict[str, str]) -> None:
    git = Git(tmp_path / "repo.git", f"ext::sh -c touch% {tmp_path}/ran", git_environment)
    git.run("init", "--quiet", "--bare")
    assert git.run("config", "remote.origin.url").strip() == git.remote
    with pytest.raises(ToolError, match="'ext' not allowed"):
        git.run("fetch", "origin")
    assert not (tmp_path / "ran").exists()


def test_timeout_kills_git_and_its_children(make_git: MakeGit) -> None:
    git = make_git("/bin/sleep 60 & /bin/sleep 60")
    with pytest.raises(Unavailable, match=r"git fetch was stopped after 0\.2 s; try again later"):
        git.run("fetch", timeout=0.2)


def test_output_that_is_not_utf_8_is_decoded(make_git: MakeGit) -> None:
    assert make_git("printf 'caf\\351\\r\\n'").run("log") == "caf\N{REPLACEMENT CHARACTER}\r\n"


@pytest.mark.parametrize("path", ["", "/nonexistent"])
def test_missing_git_error_says_what_to_do(tmp_path: Path, path: str) -> None:
    with pytest.raises(ConfigurationError, match="install git"):
        Git(tmp_path, environment={"PATH": path}).run("status")


@pytest.mark.parametrize(
    ("stderr", "kind", "expected"),
    [
        ("fatal: unable to access 'x': Could not resolve host: git.example", Unavailable, "is not available now"),
        ("ssh: connect to host git.example port 22: Connection refused", Unavailable, "is not available now"),
        ("fatal: unable to access 'x': The requested URL returned error: 503", Unavailable, "is not available now"),
        ("fatal: the remote end hung up unexpectedly", Unavailable, "is not available now"),
        ("fatal: unable to access 'x': The requested URL returned error: 403", ToolError, "credentials that may push"),
        ("git@x: Permission denied (publickey).\nfatal: Could not read", ToolError, "credentials that may push"),
        ("Host key verification failed.", ToolError, "credentials that may push"),
        ("fatal: could not read Username for 'x': terminal prompts disabled", ToolError, "credentials that may push"),
        ("fatal: 'x' does not appear to be a git repository", ToolError, "Set DEPLOY_REPO"),
        ("remote: Repository not found.", ToolError, "Set DEPLOY_REPO"),
        ("fatal: detected dubious ownership in repository at '/x'", ToolError, "safe.directory"),
        ("fatal: couldn't find remote ref refs/x", ToolError, "git failed: fatal: couldn't find"),
        ("", ToolError, "git failed: it printed no reason; check DEPLOY_REPO"),
    ],
)
def test_errors_are_classified_and_say_what_to_do(stderr: str, kind: type[HandrailError], expected: str) -> None:
    git = Git(Path("x"), "https://bot:hunter2@git.example/app")
    error = git.to_error(GitResult(128, "", f"hint: noise\n{stderr}\nTo https://bot:hunter2@git.example/app"))
    assert type(error) is kind
    assert expected in str(error)
    assert "hunter2" not in str(error)


def test_long_error_is_truncated() -> None:
    assert len(str(Git(Path("x")).to_error(GitResult(1, "", "fatal: " + "x" * 9000)))) < 500
