"""Exit codes and words of the command line, whatever happens inside."""

import subprocess
import sys

import pytest

from bot.cli.entry_point import run_command
from bot.cli.lazy_group import COMMANDS
from tests.bot.cli.cli_harness import PROGRAM, ROOT

HEAVY = ("httpx", "fastapi", "sqlalchemy", "pydantic", "openai", "prompt_toolkit", "uvicorn", "bot.settings")


def test_help_lists_every_command(handrail):
    told = handrail("--help")
    assert told.exit_code == 0
    for name, entry in COMMANDS.items():
        assert name in told.out
        assert entry.purpose in told.out


def test_help_imports_nothing_that_commands_need():
    look = "import sys; from bot.cli.entry_point import enter; enter(['--help'])"
    look += f"; print(*[name for name in {HEAVY} if name in sys.modules])"
    told = subprocess.run([sys.executable, "-c", look], cwd=ROOT, capture_output=True, text=True, check=True)
    assert told.stdout.splitlines()[-1] == ""


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(handrail, name):
    told = handrail(name, "--help")
    assert told.exit_code == 0
    assert f"Usage: handrail {name}" in told.out


@pytest.mark.parametrize(
    "wrong",
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
def test_wrong_usage_exits_with_2(handrail, wrong):
    assert handrail(*wrong).exit_code == 2


def test_a_near_miss_is_told_what_was_meant(handrail):
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
def test_without_a_server_commands_say_how_to_start_one(handrail, command):
    refused = handrail(*command)
    assert (refused.exit_code, refused.out) == (1, "")
    assert "no Handrail answers at http://127.0.0.1:1; start it with `make up`" in refused.err


def test_a_wrong_setting_is_told_in_a_sentence(handrail, monkeypatch):
    monkeypatch.setenv("PORT", "many")
    refused = handrail("threads", "list")
    assert refused.exit_code == 1
    assert refused.err.startswith("handrail: PORT: must be a whole number")


def test_a_token_that_is_none_is_told_as_such(handrail, tmp_path):
    (tmp_path / ".handrail").mkdir()
    (tmp_path / ".handrail" / "api-token").write_text("two\nlines")
    assert "the API token is none" in handrail("threads", "list").err


def test_what_nobody_foresaw_is_one_line_unless_more_is_asked_for(handrail, monkeypatch, tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    refused = handrail("doctor")
    assert refused.exit_code == 1
    assert refused.err.startswith("handrail: unexpected FileNotFoundError; LOG_LEVEL=debug shows where.")
    assert len(refused.err.splitlines()) == 1
    monkeypatch.setenv("LOG_LEVEL", "debug")
    assert "Traceback" in handrail("doctor").err


def test_a_reader_who_leaves_early_is_no_trouble():
    command = " ".join([*PROGRAM, "config", "show", "--json", "|", "head", "-c", "1"])
    told = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, check=True)
    assert told.stderr == ""


def test_an_interrupt_is_quiet(folder):
    with (
        folder.running_server() as server,
        server.folder.start("threads", "events", "--follow", "thr_none", PORT="1") as waiting,
    ):
        waiting.wait_for_output("waiting for it")
        assert waiting.stop(2) == 130
        assert waiting.output.count("\n") == 1


def test_an_interrupt_ends_a_command_that_a_shell_started_in_the_background(folder):
    ignoring = ["sh", "-c", 'trap "" INT; exec "$@"', "sh"]
    with folder.start("threads", "events", "--follow", "thr_none", PORT="1", wrapper=ignoring) as waiting:
        waiting.wait_for_output("waiting for it")
        assert waiting.stop(2) == 130


def test_entering_without_arguments_shows_what_there_is(capsys):
    assert run_command([]) == 2
    assert "doctor" in "".join(capsys.readouterr())


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("handrail", "thr"), ["threads"]),
        (("handrail", "threads", "re"), ["resume", "replay"]),
        (("handrail", "requests", "list", "--st"), ["--status"]),
    ],
)
def test_the_completion_of_bash_offers_commands_and_options(folder, words, offered):
    program = folder.path / "handrail"
    program.write_text(f'#!/bin/sh\nexec {" ".join(PROGRAM)} "$@"\n')
    program.chmod(0o700)
    completion = folder.run(_HANDRAIL_COMPLETE="source_bash").out
    asked = f"COMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1}; _handrail_completion {program}"
    shell = ["bash", "--norc", "-c", f'{completion}\n{asked}; printf "%s\\n" "${{COMPREPLY[@]}}"']
    told = subprocess.run(shell, cwd=ROOT, capture_output=True, text=True, check=True)
    assert told.stdout.splitlines() == offered


def test_the_completion_of_zsh_offers_commands_with_their_purpose(folder):
    assert "compdef _handrail_completion handrail" in folder.run(_HANDRAIL_COMPLETE="source_zsh").out
    told = folder.run(_HANDRAIL_COMPLETE="complete_zsh", _TYPER_COMPLETE_ARGS="handrail thr").out
    assert f'"threads":"{COMMANDS["threads"].purpose}"' in told


def test_completion_is_installed_from_the_top_level_alone(handrail):
    assert "--install-completion" in handrail("--help").out
    assert "completion" not in handrail("threads", "--help").out
    assert handrail("threads", "--install-completion").exit_code == 2
