"""The documents are true: links lead somewhere, names exist, examples run, and how-tos do what they promise.

A fence whose info string has a second word is carried out on a copy of the tree:

    python run           the block is run
    console run          every line after `$ ` is run
    LANGUAGE file PATH   the block is written to that file
    diff PATH            the lines with `-` are replaced by those with `+`; lines without either must be there
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

from agents.events import EVENT_VERSIONS
from bot.cli.lazy_group import COMMANDS
from bot.settings import Settings

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
RECORDS = sorted((ROOT / "docs" / "adr").glob("*.md"))
HEADINGS = ["Context", "Decision", "Consequences", "Rejected", "Binds"]
PACKAGES = ("agents", "bot", "channels", "storage")
CARRIED_ALONG = (*PACKAGES, "tests", "pyproject.toml", ".env.example", "handrail.example.toml")

FENCE = re.compile(r"^```(\S*)[ ]?([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
TREE_PATH = re.compile(rf"(?:{'|'.join(PACKAGES)}|tests|docs|\.ci)(?:/[\w.*-]+)+")
TOP_FILE = re.compile(r"[\w.-]+\.(?:md|toml|lock)|Makefile|Procfile|LICENSE|\.env\.example")
MADE_BY_PEOPLE = {"handrail.toml", "commands.toml", "instructions.md"}
COMMAND = re.compile(r"(?:^|[\s`]|bin/)handrail ([a-z]+)(?: ([a-z]+))?")  # `/handrail` alone is Slack's

document = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
record = pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)


@dataclass(frozen=True)
class Fence:
    """One block of a document; `order` is what its info string says after the language."""

    language: str
    order: str
    text: str


def fences(path: Path) -> list[Fence]:
    return [Fence(*found.groups()) for found in FENCE.finditer(path.read_text(encoding="utf-8"))]


def prose(path: Path) -> str:
    """The document without its blocks."""
    return FENCE.sub("", path.read_text(encoding="utf-8"))


# Paths and names in documents


@document
def test_every_relative_link_leads_to_a_file(path: Path) -> None:
    targets = [target for target in LINK.findall(prose(path)) if "://" not in target]
    assert [t for t in targets if not (path.parent / t.partition("#")[0]).exists()] == []


@document
def test_every_path_that_is_named_is_there(path: Path) -> None:
    made = {fence.order.removeprefix("file ") for fence in fences(path) if fence.order.startswith("file ")}
    named = {name for name in CODE.findall(prose(path)) if TREE_PATH.fullmatch(name) or TOP_FILE.fullmatch(name)}
    assert [name for name in sorted(named - made - MADE_BY_PEOPLE) if not any(ROOT.glob(name))] == []


@document
def test_no_document_names_a_package_registry_or_a_folder_of_some_machine(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    registries = ("pypi", "pythonhosted", "npmjs", "debian")
    assert re.findall(rf"\b\w*(?:{'|'.join(registries)})\w*\.(?:org|com|net)\b", text) == []
    assert re.findall(r"(?<![\w.])/(?:work|root|home|tmp)/", text) == []


@document
def test_every_command_that_is_named_is_in_the_table(path: Path) -> None:
    typed = [line for line in text_of_fences(path).splitlines() if line.startswith("$ ")]
    for name, subcommand in COMMAND.findall("\n".join([prose(path), *typed])):
        assert name in COMMANDS, f"handrail {name}"
        known = subcommands(name)
        assert not (known and subcommand) or subcommand in known, f"handrail {name} {subcommand}"


def subcommands(name: str) -> set[str]:
    """The commands of a group; none when it is no group."""
    module, _, app = COMMANDS[name].module.partition(":")
    return set(getattr(get_command(getattr(import_module(module), app or "app")), "commands", ()))


@document
def test_every_target_of_make_that_is_named_is_in_the_makefile(path: Path) -> None:
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    named = re.findall(r"`make ([a-z]+)", prose(path)) + re.findall(
        r"^\$? ?make ([a-z]+)", text_of_fences(path), re.MULTILINE
    )
    assert sorted(set(named) - set(targets)) == []


def text_of_fences(path: Path) -> str:
    return "\n".join(fence.text for fence in fences(path))


@document
def test_every_variable_of_a_table_is_one_of_the_settings(path: Path) -> None:
    rows = [line for line in prose(path).splitlines() if line.startswith("|")]
    named = {name for row in rows for name in CODE.findall(row) if re.fullmatch(r"[A-Z]+(?:_[A-Z]+)+", name)}
    assert sorted(named - {field.upper() for field in Settings.model_fields}) == []


def test_the_picture_of_the_architecture_stays_short() -> None:
    assert len((ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").splitlines()) <= 150


# The glossary and the records


def test_every_word_of_the_glossary_stands_where_it_says() -> None:
    rows = re.findall(
        r"^\| (\S[^|]*) \| [^|]+ \| `(\w+)` in `([^`]+)` \|$", prose(ROOT / "docs/glossary.md"), re.MULTILINE
    )
    words = [word for word, _, _ in rows]
    assert len(words) == len(set(words)) > 30
    for word, name, file in rows:
        assert re.search(rf"\b{name}\b", (ROOT / file).read_text(encoding="utf-8")), f"{word}: no {name} in {file}"


@pytest.mark.parametrize("event", sorted(EVENT_VERSIONS))
def test_every_event_has_the_reason_of_its_name(event: str) -> None:
    assert f"`{event}`" in prose(ROOT / "docs/adr/0013-event-names.md")


@record
def test_a_record_has_its_five_headings_on_one_page(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith(f"# {path.name[:4]} ")
    assert [line.removeprefix("## ") for line in lines if line.startswith("## ")] == HEADINGS
    assert 30 <= len(lines) <= 40


def test_records_are_numbered_without_a_gap() -> None:
    assert [path.name[:4] for path in RECORDS] == [f"{number:04}" for number in range(1, len(RECORDS) + 1)]


# Licences


def licence(package: Distribution) -> str:
    """Everything the package says of its licence."""
    metadata = package.metadata
    classifiers = [c for c in metadata.get_all("Classifier") or [] if c.startswith("License")]
    return " ".join([metadata.get("License-Expression") or metadata.get("License") or "", *classifiers])


def test_the_licences_are_those_the_record_names() -> None:
    rows = re.findall(r"^\| ([a-z0-9-]+) \| ([A-Z]\w+) \|", prose(ROOT / "docs/adr/0012-dependencies.md"), re.MULTILINE)
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    assert {re.split(r"[^\w.-]", need)[0] for need in declared} == {name for name, _ in rows}
    assert [name for name, named in rows if named not in licence(distribution(name))] == []


def test_nothing_that_is_installed_with_us_is_under_the_gpl() -> None:
    found = {name: licence(distribution(name)) for name in installed_with("handrail")}
    assert len(found) > 20
    suspect = {name for name, text in found.items() if re.search(r"GPL|General Public", text) or not text}
    assert suspect == {"psycopg", "psycopg-binary", "psycopg-pool"}, "the LGPL asks nothing of those who only use it"


def installed_with(name: str) -> set[str]:
    """The packages one needs, and those that they need."""
    found: set[Requirement] = set()
    waiting = [Requirement(name)]
    while waiting:
        for needed in needs(waiting.pop()) - found:
            found.add(needed)
            waiting.append(needed)
    return {needed.name.lower() for needed in found}


def needs(wanted: Requirement) -> set[Requirement]:
    """Return the requirements of this environment, with those of the requested extras."""
    needed = map(Requirement, requires(wanted.name) or [])
    return {need for need in needed if any(applies(need, extra) for extra in (*wanted.extras, ""))}


def applies(need: Requirement, extra: str) -> bool:
    return need.marker is None or need.marker.evaluate({"extra": extra})


# Examples and how-tos, carried out on a copy of the tree

WITH_ORDERS = [path for path in DOCUMENTS if any(fence.order for fence in fences(path))]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the source, and the commands of this environment at the usual place."""
    for name in CARRIED_ALONG:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    return tmp_path


@pytest.mark.parametrize("path", WITH_ORDERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_steps_of_a_document_work(path: Path, tree: Path) -> None:
    for fence in fences(path):
        carry_out(fence, tree)


def carry_out(fence: Fence, tree: Path) -> None:
    match fence.language, fence.order.split():
        case _, []:
            return
        case "python", ["run"]:
            run([sys.executable, "-c", fence.text], tree)
        case "console", ["run"]:
            for command in commands_in(fence):
                run(command, tree)
        case "diff", [file]:
            change(tree / file, fence.text)
        case _, ["file", file]:
            write(tree / file, fence.text)
        case _:
            raise AssertionError(f"nobody knows what to do with ```{fence.language} {fence.order}")


def commands_in(fence: Fence) -> Iterator[list[str]]:
    lines = fence.text.splitlines()
    assert all(line.startswith("$ ") for line in lines), "a block that is run holds commands only"
    yield from (shlex.split(line.removeprefix("$ ")) for line in lines)


def run(command: list[str], tree: Path) -> None:
    """Import the code of this tree, although the command may be installed elsewhere."""
    variables = {"PATH": os.defpath, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    ended = subprocess.run(command, cwd=tree, env=variables, capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode == 0, f"{shlex.join(command)}\n{ended.stdout}{ended.stderr}"


def change(file: Path, diff: str) -> None:
    lines = diff.splitlines(keepends=True)
    before = "".join(line[1:] for line in lines if not line.startswith("+"))
    after = "".join(line[1:] for line in lines if not line.startswith("-"))
    text = file.read_text(encoding="utf-8")
    assert text.count(before) == 1, (
        f"{file.name} has this {text.count(before)} times, so it cannot be changed:\n{before}"
    )
    file.write_text(text.replace(before, after), encoding="utf-8")


def write(file: Path, text: str) -> None:
    assert not file.exists(), f"{file} is there already"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
