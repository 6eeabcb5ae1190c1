"""Exit codes and error messages of the command line."""

import subprocess
import sys

import pytest

from bot.cli.main import COMMANDS, run_command
from tests.harness.cli import PROGRAM, ROOT

HEAVY_MODULES = (
    "httpx2",
    "fastapi",
    "sqlalchemy",
    "pydantic",
    "openai",
    "prompt_toolkit",
    "uvicorn",
    "bot.config.settings",
)


def test_help_lists_every_command(handrail):
    result = handrail("--help")
    assert result.exit_code == 0
    for name, entry in COMMANDS.items():
        assert name in result.out
        assert entry.purpose in result.out


def test_help_imports_no_heavy_modules():
    script = "import sys; from bot.cli.main import run_command; run_command(['--help'])"
    script += f"; print(*[name for name in {HEAVY_MODULES} if name in sys.modules])"
    completed = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert completed.stdout.splitlines()[-1] == ""


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(handrail, name):
    result = handrail(name, "--help")
    assert result.exit_code == 0
    assert f"Usage: handrail {name}" in result.out


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("frobnicate",),
        ("--frobnicate",),
        ("up", "--port", "many"),
        ("up", "--port", "70000"),
        ("threads",),
        ("threads", "show"),
        ("threads", "list", "--limit", "0"),
        ("requests", "answer", "K7Q2M"),
        ("send", "hello"),
        ("send", "--to", "nowhere", "hello"),
    ],
)
def test_wrong_usage_exits_with_2(handrail, arguments):
    assert handrail(*arguments).exit_code == 2


def test_misspelled_command_gets_a_suggestion(handrail):
    assert "Did you mean 'threads'" in handrail("thread").err


@pytest.mark.parametrize(
    "command",
    [
        ("threads", "list"),
        ("threads", "pause", "thr_1"),
        ("requests", "approve", "K7Q2M"),
        ("chat",),
        ("chat", "--once", "hello"),
    ],
)
def test_commands_without_a_server_say_how_to_start_one(handrail, command):
    refused = handrail(*command)
    assert (refused.exit_code, refused.out) == (1, "")
    assert "no Handrail server answers at http://127.0.0.1:1; start it with `make up`" in refused.err


def test_wrong_setting_is_one_message(handrail, monkeypatch):
    monkeypatch.setenv("PORT", "many")
    refused = handrail("threads", "list")
    assert refused.exit_code == 1
    assert refused.err.startswith("handrail: PORT: must be a whole number")


def test_malformed_token_is_reported(handrail, tmp_path):
    (tmp_path / ".handrail").mkdir()
    (tmp_path / ".handrail" / "api-token").write_text("two\nlines")
    assert "the API token is not valid" in handrail("threads", "list").err


def test_unexpected_error_is_one_line_without_debug_logging(handrail, monkeypatch, tmp_path):
    deleted = tmp_path / "deleted"
    deleted.mkdir()
    monkeypatch.chdir(deleted)
    deleted.rmdir()
    refused = handrail("doctor")
    assert refused.exit_code == 1
    assert refused.err.startswith("handrail: unexpected FileNotFoundError: a bug in Handrail, please report it")
    assert len(refused.err.splitlines()) == 1
    monkeypatch.setenv("LOG_LEVEL", "debug")
    assert "Traceback" in handrail("doctor").err


def test_closed_pipe_is_no_error():
    command = " ".join([*PROGRAM, "config", "show", "--json", "|", "head", "-c", "1"])
    completed = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, check=True)
    assert completed.stderr == ""


def test_interrupt_prints_nothing(folder):
    with (
        folder.running_server() as server,
        server.folder.start("threads", "events", "--follow", "thr_none", PORT="1") as process,
    ):
        process.wait_for_output("reconnecting")
        assert process.stop(2) == 130
        assert process.output.count("\n") == 1


def test_interrupt_ends_a_background_command_of_a_shell(folder):
    ignore_sigint = ["sh", "-c", 'trap "" INT; exec "$@"', "sh"]
    with folder.start("threads", "events", "--follow", "thr_none", PORT="1", wrapper=ignore_sigint) as process:
        process.wait_for_output("reconnecting")
        assert process.stop(2) == 130


def test_no_arguments_shows_the_commands(capsys):
    assert run_command([]) == 2
    assert "doctor" in "".join(capsys.readouterr())


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("handrail", "thr"), ["threads"]),
        (("handrail", "threads", "re"), ["resume", "replay"]),
        (("handrail", "requests", "list", "--st"), ["--status"]),
    ],
)
def test_bash_completes_commands_and_options(folder, words, expected):
    program = folder.path / "handrail"
    program.write_text(f'#!/bin/sh\nexec {" ".join(PROGRAM)} "$@"\n')
    program.chmod(0o700)
    completion = folder.run(_HANDRAIL_COMPLETE="source_bash").out
    request = f"COMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1}; _handrail_completion {program}"
    shell = ["bash", "--norc", "-c", f'{completion}\n{request}; printf "%s\\n" "${{COMPREPLY[@]}}"']
    completed = subprocess.run(shell, cwd=ROOT, capture_output=True, text=True, check=True)
    assert completed.stdout.splitlines() == expected


def test_zsh_completes_commands_with_their_help(folder):
    assert "compdef _handrail_completion handrail" in folder.run(_HANDRAIL_COMPLETE="source_zsh").out
    output = folder.run(_HANDRAIL_COMPLETE="complete_zsh", _TYPER_COMPLETE_ARGS="handrail thr").out
    assert f'"threads":"{COMMANDS["threads"].purpose}"' in output


def test_only_the_top_level_installs_completion(handrail):
    assert "--install-completion" in handrail("--help").out
    assert "completion" not in handrail("threads", "--help").out
    assert handrail("threads", "--install-completion").exit_code == 2
