"""Tests of the documents: links and names exist, examples run, and the steps of how-tos work.

A code block whose info string has a second word is executed on a copy of the source tree:

    python run             the block is run
    console run            every line, without its `$ `, is run
    LANGUAGE file PATH     the block is written to that file, which must not exist
    LANGUAGE replace PATH  the block is written to that file, which must exist
    diff PATH              the lines with `-` are replaced by those with `+`; lines without a sign must exist
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import Distribution, distribution, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from typer.main import get_command

from agents.core.event_codec import EVENT_SCHEMA_VERSIONS
from bot.cli.main import COMMANDS
from bot.config.settings import Settings

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
ADRS = sorted((ROOT / "docs" / "adr").glob("*.md"))
HEADINGS = ["Context", "Decision", "Consequences", "Rejected", "Binds"]
PACKAGES = ("agents", "bot", "channels", "storage")
COPIED_NAMES = (*PACKAGES, "tests", "pyproject.toml", ".env.example", "handrail.example.toml")

FENCE = re.compile(r"^```(\S*)[ ]?([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
TREE_PATH = re.compile(rf"(?:{'|'.join(PACKAGES)}|tests|docs|\.ci)(?:/[\w.*-]+)+")
TOP_FILE = re.compile(r"[\w.-]+\.(?:md|toml|lock)|Makefile|Procfile|LICENSE|\.env\.example")
USER_FILES = {"handrail.toml", "commands.toml", "instructions.md"}
COMMAND = re.compile(r"(?:^|[\s`]|bin/)handrail ([a-z]+)(?: ([a-z]+))?")  # `/handrail` alone is Slack's

document = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
adr = pytest.mark.parametrize("path", ADRS, ids=lambda path: path.stem)


@dataclass(frozen=True)
class Fence:
    """Code block of a document. `action` is the rest of its info string after the language."""

    language: str
    action: str
    text: str


def parse_fences(path: Path) -> list[Fence]:
    return [Fence(*match.groups()) for match in FENCE.finditer(path.read_text(encoding="utf-8"))]


def read_prose(path: Path) -> str:
    """Return the document without its code blocks."""
    return FENCE.sub("", path.read_text(encoding="utf-8"))


# Paths and names in documents


@document
def test_relative_links_lead_to_files(path: Path) -> None:
    targets = [target for target in LINK.findall(read_prose(path)) if "://" not in target]
    assert [t for t in targets if not (path.parent / t.partition("#")[0]).exists()] == []


@document
def test_named_paths_exist(path: Path) -> None:
    created = {fence.action.removeprefix("file ") for fence in parse_fences(path) if fence.action.startswith("file ")}
    named = {name for name in CODE.findall(read_prose(path)) if TREE_PATH.fullmatch(name) or TOP_FILE.fullmatch(name)}
    assert [name for name in sorted(named - created - USER_FILES) if not any(ROOT.glob(name))] == []


@document
def test_document_names_no_package_registry_or_local_folder(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    registries = ("pypi", "pythonhosted", "npmjs", "debian")
    assert re.findall(rf"\b\w*(?:{'|'.join(registries)})\w*\.(?:org|com|net)\b", text) == []
    assert re.findall(r"(?<![\w.])/(?:work|root|home|tmp)/", text) == []


@document
def test_named_commands_exist(path: Path) -> None:
    typed = [line for line in read_code(path).splitlines() if line.startswith("$ ")]
    for name, subcommand in COMMAND.findall("\n".join([read_prose(path), *typed])):
        assert name in COMMANDS, f"handrail {name}"
        subcommands = list_subcommands(name)
        assert not (subcommands and subcommand) or subcommand in subcommands, f"handrail {name} {subcommand}"


def list_subcommands(name: str) -> set[str]:
    """Return the commands of a group, or nothing if the command is not a group."""
    module, _, variable = COMMANDS[name].location.partition(":")
    return set(getattr(get_command(getattr(import_module(module), variable or "app")), "commands", ()))


@document
def test_named_make_targets_exist(path: Path) -> None:
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    named = re.findall(r"`make ([a-z]+)", read_prose(path)) + re.findall(
        r"^\$? ?make ([a-z]+)", read_code(path), re.MULTILINE
    )
    assert sorted(set(named) - set(targets)) == []


def read_code(path: Path) -> str:
    return "\n".join(fence.text for fence in parse_fences(path))


@document
def test_variables_in_tables_are_settings(path: Path) -> None:
    rows = [line for line in read_prose(path).splitlines() if line.startswith("|")]
    named = {name for row in rows for name in CODE.findall(row) if re.fullmatch(r"[A-Z]+(?:_[A-Z]+)+", name)}
    assert sorted(named - {field.upper() for field in Settings.model_fields}) == []


def test_architecture_document_stays_short() -> None:
    assert len((ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").splitlines()) <= 150


# The glossary and the ADRs


def test_glossary_words_are_in_the_files_they_name() -> None:
    rows = re.findall(
        r"^\| (\S[^|]*) \| [^|]+ \| `(\w+)` in `([^`]+)` \|$", read_prose(ROOT / "docs/glossary.md"), re.MULTILINE
    )
    words = [word for word, _, _ in rows]
    assert len(words) == len(set(words)) > 30
    for word, name, file in rows:
        assert re.search(rf"\b{name}\b", (ROOT / file).read_text(encoding="utf-8")), f"{word}: no {name} in {file}"


@pytest.mark.parametrize("event", sorted(EVENT_SCHEMA_VERSIONS))
def test_adr_explains_the_name_of_every_event(event: str) -> None:
    assert f"`{event}`" in read_prose(ROOT / "docs/adr/0013-event-names.md")


@adr
def test_adr_has_five_headings_and_30_to_40_lines(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith(f"# {path.name[:4]} ")
    assert [line.removeprefix("## ") for line in lines if line.startswith("## ")] == HEADINGS
    assert 30 <= len(lines) <= 40


def test_adrs_are_numbered_without_a_gap() -> None:
    assert [path.name[:4] for path in ADRS] == [f"{number:04}" for number in range(1, len(ADRS) + 1)]


# Licences


def licence_text(package: Distribution) -> str:
    """Return the licence expression and the licence classifiers of a package."""
    metadata = package.metadata
    classifiers = [c for c in metadata.get_all("Classifier") or [] if c.startswith("License")]
    return " ".join([metadata.get("License-Expression") or metadata.get("License") or "", *classifiers])


def test_licences_are_those_named_in_the_adr() -> None:
    rows = re.findall(
        r"^\| ([a-z0-9-]+) \| ([A-Z]\w+) \|", read_prose(ROOT / "docs/adr/0012-dependencies.md"), re.MULTILINE
    )
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    assert {re.split(r"[^\w.-]", requirement)[0] for requirement in declared} == {name for name, _ in rows}
    assert [name for name, named in rows if named not in licence_text(distribution(name))] == []


def test_no_dependency_has_a_gpl_licence() -> None:
    licences = {name: licence_text(distribution(name)) for name in transitive_dependencies("handrail")}
    assert len(licences) > 20
    suspect = {name for name, text in licences.items() if re.search(r"GPL|General Public", text) or not text}
    assert suspect == {"psycopg", "psycopg-binary", "psycopg-pool"}, "the LGPL permits importing an unmodified package"


def transitive_dependencies(name: str) -> set[str]:
    """Return the package and all packages that it requires, directly or not."""
    found: set[Requirement] = set()
    unvisited = [Requirement(name)]
    while unvisited:
        for requirement in direct_requirements(unvisited.pop()) - found:
            found.add(requirement)
            unvisited.append(requirement)
    return {requirement.name.lower() for requirement in found}


def direct_requirements(package: Requirement) -> set[Requirement]:
    """Return the package's requirements in this environment, including those of the requested extras."""
    requirements = map(Requirement, requires(package.name) or [])
    return {r for r in requirements if any(is_required(r, extra) for extra in (*package.extras, ""))}


def is_required(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


# Examples and how-tos, executed on a copy of the source tree

WITH_ACTIONS = [path for path in DOCUMENTS if any(fence.action for fence in parse_fences(path))]


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


@pytest.mark.parametrize("path", WITH_ACTIONS, ids=lambda path: str(path.relative_to(ROOT)))
def test_steps_of_a_document_work(path: Path, tree: Path) -> None:
    for fence in parse_fences(path):
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
    result = subprocess.run(command, cwd=tree, env=variables, capture_output=True, text=True, check=False, timeout=120)
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
