"""Rules of the architecture: imports between packages, lengths, and names of modules."""

import ast
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median

import pytest

from agents.core.event_codec import EVENT_SCHEMA_VERSIONS

ROOT = Path(__file__).parent.parent
PACKAGES = ("agents", "bot", "channels", "storage")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
MIGRATIONS = ROOT / "storage" / "migrations"

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 50
MAX_MEDIAN_FUNCTION_LINES = 8
REJECTED_MODULE_NAMES = re.compile(r"utils?|helpers?|common|misc|manager|base_\w+|\w+_(utils?|helpers?|manager)")


def relative_path(path: Path) -> str:
    return str(path.relative_to(ROOT))


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), relative_path(path))


def function_lengths() -> Iterator[tuple[str, int]]:
    """Yield each function outside the migrations, and its number of lines without blank ones and docstring."""
    for path in SOURCES:
        if MIGRATIONS in path.parents:
            continue
        lines = path.read_text(encoding="utf-8").splitlines()
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{relative_path(path)}: {node.name}", len(non_blank_lines(lines, node) - docstring_lines(node))


def non_blank_lines(lines: list[str], node: ast.FunctionDef | ast.AsyncFunctionDef) -> set[int]:
    return {n for n in range(node.lineno, (node.end_lineno or node.lineno) + 1) if lines[n - 1].strip()}


def docstring_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> set[int]:
    first = node.body[0]
    return set(range(first.lineno, (first.end_lineno or 0) + 1)) if ast.get_docstring(node) is not None else set()


def test_import_contracts_hold() -> None:
    executable = Path(sys.executable).with_name("lint-imports")
    result = subprocess.run(
        [executable, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("name", PACKAGES)
def test_packages_are_imported_from_this_repository(name: str) -> None:
    """The distributions openai-agents and channels install packages with the same names."""
    assert Path(importlib.import_module(name).__file__ or "").parent == ROOT / name


@pytest.mark.parametrize("distribution", ["openai-agents", "channels"])
def test_distributions_with_the_same_packages_are_not_installed(distribution: str) -> None:
    with pytest.raises(PackageNotFoundError):
        version(distribution)


@pytest.mark.parametrize("path", SOURCES, ids=relative_path)
def test_every_module_has_a_docstring(path: Path) -> None:
    assert ast.get_docstring(parse(path)), "no docstring"


def test_no_file_is_too_long() -> None:
    too_long = {
        relative_path(path): n
        for path in SOURCES
        if (n := len(path.read_text(encoding="utf-8").splitlines())) > MAX_FILE_LINES
    }
    assert too_long == {}


def test_functions_are_short() -> None:
    lengths = dict(function_lengths())
    assert {name: n for name, n in lengths.items() if n > MAX_FUNCTION_LINES} == {}
    assert median(lengths.values()) <= MAX_MEDIAN_FUNCTION_LINES


def test_no_module_has_a_meaningless_name() -> None:
    parts = {part for path in SOURCES for part in (*path.parent.relative_to(ROOT).parts, path.stem)}
    assert sorted(part for part in parts if REJECTED_MODULE_NAMES.fullmatch(part)) == []


@pytest.mark.parametrize("name", ["utils", "helpers", "common", "manager", "base_channel", "string_utils"])
def test_meaningless_module_names_are_detected(name: str) -> None:
    assert REJECTED_MODULE_NAMES.fullmatch(name)


def test_only_executors_and_migrations_begin_and_commit() -> None:
    transaction_files = {
        relative_path(path) for path in SOURCES if re.search(r"\.(commit|begin)\(", path.read_text(encoding="utf-8"))
    }
    migration_files = {"storage/database/schema.py"}  # runs before anything else, on its own connection
    assert (
        transaction_files
        <= {"storage/database/postgres_executor.py", "storage/database/sqlite_executor.py"} | migration_files
    )


def test_bot_names_no_channel() -> None:
    """The command line and the API of the bot are the terminal and the REST channel; all others are plugins."""
    folders = {path.parent.name for path in (ROOT / "channels").glob("*/__init__.py")} - {"terminal", "rest"}
    pattern = re.compile(rf"(?<![a-z])(?:{'|'.join(sorted(folders))})(?![a-z])", re.IGNORECASE)
    bot_files = {path for path in SOURCES if path.is_relative_to(ROOT / "bot")}
    if ROOT / "bot" / "slack" / "__init__.py" in bot_files:
        pytest.skip("bot/slack still connects Slack")
    found = {
        (relative_path(path), line.strip())
        for path in bot_files - {ROOT / "bot" / "cli" / "slack.py"}  # prints the manifest
        for line in path.read_text(encoding="utf-8").splitlines()
        if pattern.search(line)
    }
    assert folders >= {"email", "slack", "sms"}
    assert found == {("bot/cli/main.py", '"slack": LazyCommand("bot.cli.slack", "Set up the Slack app."),')}


def test_every_event_type_has_a_golden_file() -> None:
    golden = ROOT / "tests" / "payloads" / "events"
    assert {path.name.partition(".")[0] for path in golden.glob("*.json")} == set(EVENT_SCHEMA_VERSIONS)


def test_tests_do_not_patch_sleep_or_skip() -> None:
    pattern = re.compile(r"monkeypatch\.setattr|mock\.patch|\btime\.sleep\(|pytest\.mark\.(skip|xfail)")
    bench = ROOT / "tests" / "bench"  # measures idle processes, and is not part of the suite
    tests = [path for path in (ROOT / "tests").rglob("*.py") if path != Path(__file__) and bench not in path.parents]
    assert {relative_path(path) for path in tests if pattern.search(path.read_text(encoding="utf-8"))} == set()


def test_lock_file_names_no_registry() -> None:
    lock = ROOT / "requirements.lock"
    found = re.findall(r"https?://|--(?:extra-)?index-url|--find-links", lock.read_text(encoding="utf-8"))
    assert found == []
