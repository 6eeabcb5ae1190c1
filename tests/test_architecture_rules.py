"""Each rule of the architecture reports its deviation and accepts what is right; the packages are this repository's."""

import importlib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

from storage.codec import EVENT_SCHEMA_VERSIONS
from tests.architecture_rules import (
    MAX_FILE_LINES,
    MAX_FUNCTION_LINES,
    PACKAGES,
    ROOT,
    check_channel_names,
    check_golden_files,
    check_lock,
    check_median_length,
    check_module,
    check_test,
    function_lengths,
)

DOCSTRING = '"""Send messages."""\n'
GOLDEN_FILES = {f"{event}.1.json" for event in EVENT_SCHEMA_VERSIONS}


def function_of(line_count: int) -> str:
    return "def send():\n" + "    pass\n" * (line_count - 1)


@pytest.mark.parametrize(
    ("name", "source", "deviation"),
    [
        ("bot/send.py", "", "no docstring"),
        ("bot/send.py", DOCSTRING + "\n" * MAX_FILE_LINES, "more than 400"),
        ("bot/send.py", DOCSTRING + function_of(MAX_FUNCTION_LINES + 1), "send has 51 lines"),
        ("bot/send.py", DOCSTRING + "connection.commit()\n", "only executors"),
        ("bot/send.py", DOCSTRING + "engine.begin()\n", "only executors"),
        *((f"bot/{name}.py", DOCSTRING, name) for name in ("utils", "helpers", "common", "manager", "string_utils")),
        ("bot/misc/send.py", DOCSTRING, "misc"),
        ("channels/base_channel.py", DOCSTRING, "base_channel"),
    ],
)
def test_deviation_of_a_module_is_reported(name: str, source: str, deviation: str) -> None:
    [found] = check_module(name, source)
    assert found.startswith(f"{name}: ")
    assert deviation in found


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("bot/send.py", DOCSTRING + function_of(MAX_FUNCTION_LINES)),
        ("channels/base.py", DOCSTRING),
        ("storage/database/sqlite_executor.py", DOCSTRING + "connection.commit()\n"),
        ("storage/migrations/versions/0001.py", DOCSTRING + function_of(MAX_FUNCTION_LINES + 1)),
    ],
)
def test_module_that_follows_the_rules_is_accepted(name: str, source: str) -> None:
    assert list(check_module(name, source)) == []


def test_bot_that_names_a_channel_is_reported() -> None:
    channels = {"email", "slack", "sms"}
    assert list(check_channel_names("bot/send.py", "x = 1\nSLACK_URL = 1\n", channels)) == [
        "bot/send.py:2: the bot names no channel"
    ]
    assert list(check_channel_names("bot/send.py", "slackened = 1\n", channels)) == []
    assert list(check_channel_names("bot/cli/slack.py", "slack = 1\n", channels)) == []
    assert list(check_channel_names("channels/slack/app.py", "slack = 1\n", channels)) == []


def test_length_of_a_function_excludes_docstring_and_blank_lines() -> None:
    source = 'async def send():\n    """Send.\n\n    It is sent once.\n    """\n\n    return 1\n'
    assert list(function_lengths(source)) == [("send", 2)]


def test_long_median_function_is_reported() -> None:
    assert list(check_median_length([1, 8, 50])) == []
    assert "9 lines" in "".join(check_median_length([1, 9, 10]))


@pytest.mark.parametrize(
    "line",
    ["monkeypatch.setattr(bot, 'x', 1)", "mock.patch('x')", "time.sleep(1)", "@pytest.mark.skip", "@pytest.mark.xfail"],
)
def test_patching_sleeping_and_skipping_tests_are_reported(line: str) -> None:
    [found] = check_test("tests/test_send.py", f"import bot\n{line}\n")
    assert found.startswith("tests/test_send.py:2: ")


@pytest.mark.parametrize("line", ["--index-url https", "--extra-index-url x", "--find-links x", "http://localhost"])
def test_address_of_a_registry_in_a_lock_is_reported(line: str) -> None:
    assert len(list(check_lock("requirements.lock", f"rich==15.0.0\n{line}\n"))) == 1
    assert list(check_lock("requirements.lock", "rich==15.0.0 --hash=sha256:1")) == []


def test_missing_and_unknown_golden_files_are_reported() -> None:
    assert list(check_golden_files(GOLDEN_FILES)) == []
    assert len(list(check_golden_files(GOLDEN_FILES - {"ThreadStarted.1.json"} | {"ThreadPainted.1.json"}))) == 2


@pytest.mark.parametrize("name", PACKAGES)
def test_packages_are_imported_from_this_repository(name: str) -> None:
    """The distributions openai-agents and channels install packages with the same names."""
    assert Path(importlib.import_module(name).__file__ or "").parent == ROOT / name


@pytest.mark.parametrize("distribution", ["openai-agents", "channels"])
def test_distributions_with_the_same_packages_are_not_installed(distribution: str) -> None:
    with pytest.raises(PackageNotFoundError):
        version(distribution)
