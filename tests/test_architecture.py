"""The house as DESIGN §2 draws it: what may know what, how long things are, and what they are called."""

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

from agents.events import EVENT_VERSIONS

ROOT = Path(__file__).parent.parent
PACKAGES = ("agents", "bot", "channels", "storage")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
MIGRATIONS = ROOT / "storage" / "migrations"

LONGEST_FILE = 400
LONGEST_FUNCTION = 50
MEDIAN_FUNCTION = 8
NO_NAMES = re.compile(r"utils?|helpers?|common|misc|manager|base_\w+|\w+_(utils?|helpers?|manager)")


def told(path: Path) -> str:
    return str(path.relative_to(ROOT))


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), told(path))


def functions() -> Iterator[tuple[str, int]]:
    """Every function outside the migrations, and its length in lines without blank ones and without its docstring."""
    for path in SOURCES:
        if MIGRATIONS in path.parents:
            continue
        lines = path.read_text(encoding="utf-8").splitlines()
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{told(path)}: {node.name}", len(filled(lines, node) - docstring(node))


def filled(lines: list[str], node: ast.FunctionDef | ast.AsyncFunctionDef) -> set[int]:
    return {n for n in range(node.lineno, (node.end_lineno or node.lineno) + 1) if lines[n - 1].strip()}


def docstring(node: ast.FunctionDef | ast.AsyncFunctionDef) -> set[int]:
    first = node.body[0]
    return set(range(first.lineno, (first.end_lineno or 0) + 1)) if ast.get_docstring(node) is not None else set()


def test_the_import_contracts_hold() -> None:
    program = Path(sys.executable).with_name("lint-imports")
    checked = subprocess.run([program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("name", PACKAGES)
def test_what_is_imported_under_our_names_is_ours(name: str) -> None:
    """openai-agents installs itself as `agents`, Django Channels as `channels`."""
    assert Path(importlib.import_module(name).__file__ or "").parent == ROOT / name


@pytest.mark.parametrize("stranger", ["openai-agents", "channels"])
def test_nobody_else_is_installed_under_our_names(stranger: str) -> None:
    with pytest.raises(PackageNotFoundError):
        version(stranger)


@pytest.mark.parametrize("path", SOURCES, ids=told)
def test_every_module_says_what_it_is(path: Path) -> None:
    assert ast.get_docstring(parsed(path)), "no docstring"


def test_no_file_is_too_long() -> None:
    long = {
        told(path): n for path in SOURCES if (n := len(path.read_text(encoding="utf-8").splitlines())) > LONGEST_FILE
    }
    assert long == {}


def test_functions_are_short() -> None:
    lengths = dict(functions())
    assert {name: n for name, n in lengths.items() if n > LONGEST_FUNCTION} == {}
    assert median(lengths.values()) <= MEDIAN_FUNCTION


def test_every_module_is_named_after_a_thing() -> None:
    parts = {part for path in SOURCES for part in (*path.parent.relative_to(ROOT).parts, path.stem)}
    assert sorted(part for part in parts if NO_NAMES.fullmatch(part)) == []


@pytest.mark.parametrize("name", ["utils", "helpers", "common", "manager", "base_channel", "string_utils"])
def test_a_module_named_after_nothing_would_be_found(name: str) -> None:
    assert NO_NAMES.fullmatch(name)


def test_only_the_database_and_its_writer_begin_and_commit() -> None:
    transacting = {told(path) for path in SOURCES if re.search(r"\.(commit|begin)\(", path.read_text(encoding="utf-8"))}
    migrating = {"storage/schema.py"}  # before anything else runs, on a connection of its own
    assert transacting <= {"storage/postgres_executor.py", "storage/sqlite_executor.py"} | migrating


def test_every_type_of_event_has_a_golden_file() -> None:
    golden = ROOT / "tests" / "payloads" / "events"
    assert {path.name.partition(".")[0] for path in golden.glob("*.json")} == set(EVENT_VERSIONS)


def test_nothing_is_patched_and_nothing_sleeps_in_the_tests() -> None:
    words = re.compile(r"monkeypatch\.setattr|mock\.patch|\btime\.sleep\(|pytest\.mark\.(skip|xfail)")
    measuring = ROOT / "tests" / "bench"  # measures processes at rest, and is no part of the suite
    tests = [
        path for path in (ROOT / "tests").rglob("*.py") if path != Path(__file__) and measuring not in path.parents
    ]
    assert {told(path) for path in tests if words.search(path.read_text(encoding="utf-8"))} == set()


def test_the_lock_names_no_registry() -> None:
    lock = ROOT / "requirements.lock"
    found = re.findall(r"https?://|--(?:extra-)?index-url|--find-links", lock.read_text(encoding="utf-8"))
    assert found == []
