"""Report deviations from the rules of the architecture: docstrings, lengths, names, transactions and lock files.

    python -m tests.architecture_rules

`make check` runs this. The contracts of imports are in `pyproject.toml`.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from storage.codec import EVENT_SCHEMA_VERSIONS

ROOT = Path(__file__).parents[1]
PACKAGES = ("agents", "bot", "channels", "storage")
LOCKS = ("requirements.lock", "requirements-dev.lock")

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 50
MAX_MEDIAN_FUNCTION_LINES = 8
REJECTED_MODULE_NAME = re.compile(r"utils?|helpers?|common|misc|manager|base_\w+|\w+_(utils?|helpers?|manager)")
TRANSACTION = re.compile(r"\.(commit|begin)\(")
TRANSACTION_FILES = frozenset(
    {
        "storage/database/postgres_executor.py",
        "storage/database/sqlite_executor.py",
        "storage/database/schema.py",  # migrations run before anything else, on their own connection
    }
)
FORBIDDEN_IN_TESTS = re.compile(r"monkeypatch\.setattr|mock\.patch|\btime\.sleep\(|pytest\.mark\.(skip|xfail)")
REGISTRY_OPTION = re.compile(r"https?://|--(?:extra-)?index-url|--find-links")

MANIFEST_COMMAND, MANIFEST_COMMAND_ENTRY = "bot/cli/slack.py", '"slack": LazyCommand("bot.cli.slack", '
"""File of the command that prints the manifest, and its line in the table of commands."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def check_module(name: str, source: str) -> Iterator[str]:
    """Yield the deviations of one module. `name` is its path in the source tree."""
    tree, line_count = ast.parse(source, name), len(source.splitlines())
    if ast.get_docstring(tree) is None:
        yield f"{name}: no docstring"
    if line_count > MAX_FILE_LINES:
        yield f"{name}: {line_count} lines, more than {MAX_FILE_LINES}"
    for function, length in function_lengths(source):
        if length > MAX_FUNCTION_LINES and "migrations" not in name:
            yield f"{name}: {function} has {length} lines, more than {MAX_FUNCTION_LINES}"
    if name not in TRANSACTION_FILES and TRANSACTION.search(source):
        yield f"{name}: only executors and migrations begin and commit"
    for part in Path(name).with_suffix("").parts:
        if REJECTED_MODULE_NAME.fullmatch(part):
            yield f"{name}: the name {part} does not say what the module does"


def function_lengths(source: str) -> Iterator[tuple[str, int]]:
    """Yield each function, and its number of lines without blank ones and docstring."""
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, Function):
            yield node.name, len(_non_blank_lines(lines, node) - _docstring_lines(node))


def _non_blank_lines(lines: list[str], node: Function) -> set[int]:
    return {n for n in range(node.lineno, (node.end_lineno or node.lineno) + 1) if lines[n - 1].strip()}


def _docstring_lines(node: Function) -> set[int]:
    first = node.body[0]
    return set(range(first.lineno, (first.end_lineno or 0) + 1)) if ast.get_docstring(node) is not None else set()


def check_channel_names(name: str, source: str, channels: set[str]) -> Iterator[str]:
    """Yield each line of the bot that names a channel. `channels` are the folders of plugins.

    The terminal and REST are exempt: they are the command line and the API of the bot.
    """
    pattern = re.compile(rf"(?<![a-z])(?:{'|'.join(sorted(channels))})(?![a-z])", re.IGNORECASE)
    if name.startswith("bot/") and name != MANIFEST_COMMAND:
        for number, line in enumerate(source.splitlines(), 1):
            if pattern.search(line) and not line.strip().startswith(MANIFEST_COMMAND_ENTRY):
                yield f"{name}:{number}: the bot names no channel"


def check_median_length(lengths: list[int]) -> Iterator[str]:
    """Yield the median length of all functions if it is too long."""
    if (found := median(lengths)) > MAX_MEDIAN_FUNCTION_LINES:
        yield f"the median function has {found} lines, more than {MAX_MEDIAN_FUNCTION_LINES}"


def check_test(name: str, source: str) -> Iterator[str]:
    """Yield each line of a test that patches, sleeps or skips."""
    for match in FORBIDDEN_IN_TESTS.finditer(source):
        yield f"{name}:{source.count(chr(10), 0, match.start()) + 1}: tests use fakes and no {match[0]}"


def check_lock(name: str, text: str) -> Iterator[str]:
    """Yield each address of a package registry in a lock file."""
    yield from (f"{name}: {match[0]} names a registry" for match in REGISTRY_OPTION.finditer(text))


def check_golden_files(names: set[str]) -> Iterator[str]:
    """Yield the event types that have no golden file among these, and the files that belong to no event type."""
    types, known = {name.partition(".")[0] for name in names}, set(EVENT_SCHEMA_VERSIONS)
    yield from (f"{event}: no golden file in tests/payloads/events" for event in sorted(known - types))
    yield from (f"tests/payloads/events: {name} is no event type" for name in sorted(types - known))


def find_deviations() -> Iterator[str]:
    """Yield all deviations in the source tree."""
    sources = _read_sources(PACKAGES)
    channels = {path.parent.name for path in (ROOT / "channels").glob("*/__init__.py")} - {"terminal", "rest"}
    for name, source in sources.items():
        yield from check_module(name, source)
        yield from check_channel_names(name, source, channels)
    yield from check_median_length(
        [n for name, source in sources.items() if "migrations" not in name for _, n in function_lengths(source)]
    )
    for name, source in _read_sources(("tests",)).items():
        # The benchmark measures idle processes. The rules and their test contain the forbidden words.
        if not name.startswith(("tests/bench/", "tests/architecture_rules", "tests/test_architecture_rules")):
            yield from check_test(name, source)
    for name in LOCKS:
        yield from check_lock(name, (ROOT / name).read_text(encoding="utf-8"))
    yield from check_golden_files({path.name for path in (ROOT / "tests/payloads/events").glob("*.json")})


def _read_sources(folders: tuple[str, ...]) -> dict[str, str]:
    paths = sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in paths}


def main() -> int:
    """Print the deviations. Return 1 if there is any, otherwise 0."""
    deviations = list(find_deviations())
    sys.stdout.writelines(f"{deviation}\n" for deviation in deviations)
    return 1 if deviations else 0


if __name__ == "__main__":
    sys.exit(main())
