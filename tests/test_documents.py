"""Examples and how-tos work: their steps are executed on a copy of the source tree.

A code block whose info string has a second word is executed:

    python run             the block is run
    console run            every line, without its `$ `, is run
    LANGUAGE file PATH     the block is written to that file, which must not exist
    LANGUAGE replace PATH  the block is written to that file, which must exist
    diff PATH              the lines with `-` are replaced by those with `+`; lines without a sign must exist
"""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.document_rules import PACKAGES, ROOT, Document, Fence, find_documents
from tests.slow_cases import slow_unless

COPIED_NAMES = (*PACKAGES, "tests", "pyproject.toml", ".env.example", "handrail.example.toml")
WITH_ACTIONS = [document for document in find_documents() if any(fence.action for fence in document.fences)]
QUICK_PAGES = ("README.md", "add-a-tool.md")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Copy the source and link its `.venv` to this environment."""
    for name in COPIED_NAMES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    return tmp_path


@pytest.mark.parametrize(
    "document",
    slow_unless(lambda document: document.path.name in QUICK_PAGES, WITH_ACTIONS),
    ids=lambda document: str(document.path.relative_to(ROOT)),
)
def test_steps_of_a_document_work(document: Document, tree: Path) -> None:
    for fence in document.fences:
        execute(fence, tree)


def execute(fence: Fence, tree: Path) -> None:
    match fence.language, fence.action.split():
        case _, []:
            return
        case "python", ["run"]:
            run([sys.executable, "-c", fence.text], tree)
        case "console", ["run"]:
            for command in parse_commands(fence):
                run(command, tree)
        case "diff", [file]:
            apply_diff(tree / file, fence.text)
        case _, ["file", file]:
            create(tree / file, fence.text)
        case _, ["replace", file]:
            replace(tree / file, fence.text)
        case _:
            raise AssertionError(f"unknown action: ```{fence.language} {fence.action}")


def parse_commands(fence: Fence) -> Iterator[list[str]]:
    lines = fence.text.splitlines()
    assert all(line.startswith("$ ") for line in lines), "a block with `run` may contain only commands"
    yield from (shlex.split(line.removeprefix("$ ")) for line in lines)


def run(command: list[str], tree: Path) -> None:
    """Run a command that imports the code of this tree, even if the command is installed elsewhere."""
    variables = {"PATH": os.defpath, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    result = subprocess.run(command, cwd=tree, env=variables, capture_output=True, text=True, check=False, timeout=240)
    assert result.returncode == 0, f"{shlex.join(command)}\n{result.stdout}{result.stderr}"


def apply_diff(file: Path, diff: str) -> None:
    lines = diff.splitlines(keepends=True)
    before = "".join(line[1:] for line in lines if not line.startswith("+"))
    after = "".join(line[1:] for line in lines if not line.startswith("-"))
    text = file.read_text(encoding="utf-8")
    assert text.count(before) == 1, (
        f"{file.name} must contain this text once, but has it {text.count(before)} times:\n{before}"
    )
    file.write_text(text.replace(before, after), encoding="utf-8")


def replace(file: Path, text: str) -> None:
    assert file.exists(), f"{file} does not exist"
    file.write_text(text, encoding="utf-8")


def create(file: Path, text: str) -> None:
    assert not file.exists(), f"{file} exists already"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
