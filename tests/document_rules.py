"""Report mistakes in the documents: links, paths, commands and settings that do not exist, and the form of ADRs.

    python -m tests.document_rules

`make check` runs this. `tests/test_documents.py` executes the steps of the documents.
"""

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from typer.main import get_command

from bot.cli.main import COMMANDS
from bot.config.settings import Settings
from storage.codec import EVENT_SCHEMA_VERSIONS

ROOT = Path(__file__).parents[1]
PACKAGES = ("agents", "bot", "channels", "storage")
ADR_HEADINGS = ["Context", "Decision", "Consequences", "Rejected", "Binds"]
MIN_ADR_LINES, MAX_ADR_LINES = 30, 40
MAX_ARCHITECTURE_LINES = 150
MIN_GLOSSARY_ROWS = 30

FENCE = re.compile(r"^```(\S*)[ ]?([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
TREE_PATH = re.compile(rf"(?:{'|'.join(PACKAGES)}|tests|docs|\.ci)(?:/[\w.*-]+)+")
TOP_FILE = re.compile(r"[\w.-]+\.(?:md|toml|lock)|Makefile|Procfile|LICENSE|\.env\.example")
USER_FILES = {"handrail.toml", "commands.toml", "instructions.md"}
COMMAND = re.compile(r"(?:^|[\s`]|bin/)handrail ([a-z]+)(?: ([a-z]+))?")  # `/handrail` alone is Slack's
REGISTRY = re.compile(r"\b\w*(?:pypi|pythonhosted|npmjs|debian)\w*\.(?:org|com|net)\b")
LOCAL_FOLDER = re.compile(r"(?<![\w.])/(?:work|root|home|tmp)/")
MAKE_TARGET = re.compile(r"`make ([a-z-]+)|^\$? ?make ([a-z-]+)", re.MULTILINE)
SETTING = re.compile(r"[A-Z]+(?:_[A-Z]+)+")
GLOSSARY_ROW = re.compile(r"^\| (\S[^|]*) \| [^|]+ \| `(\w+)` in `([^`]+)` \|$", re.MULTILINE)


@dataclass(frozen=True)
class Fence:
    """Code block of a document. `action` is the rest of its info string after the language."""

    language: str
    action: str
    text: str


@dataclass(frozen=True)
class Document:
    """Markdown document in a source tree."""

    path: Path
    root: Path = ROOT

    @property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @property
    def fences(self) -> list[Fence]:
        return [Fence(*match.groups()) for match in FENCE.finditer(self.text)]

    @property
    def prose(self) -> str:
        """Text without code blocks."""
        return FENCE.sub("", self.text)

    @property
    def code(self) -> str:
        """Text of all code blocks."""
        return "\n".join(fence.text for fence in self.fences)


DocumentRule = Callable[[Document], Iterable[str]]


def find_documents(root: Path = ROOT) -> list[Document]:
    """Return the documents of a source tree, ordered by path."""
    return [Document(path, root) for path in sorted([*root.glob("*.md"), *(root / "docs").rglob("*.md")])]


def check_links(document: Document) -> Iterator[str]:
    """Yield each relative link that leads to no file."""
    for target in LINK.findall(document.prose):
        if "://" not in target and not (document.path.parent / target.partition("#")[0]).exists():
            yield f"the link {target} leads to no file"


def check_paths(document: Document) -> Iterator[str]:
    """Yield each path in backticks that does not exist, and that no step of the document creates."""
    actions = (fence.action for fence in document.fences)
    created = {action.removeprefix("file ") for action in actions if action.startswith("file ")}
    named = {name for name in CODE.findall(document.prose) if TREE_PATH.fullmatch(name) or TOP_FILE.fullmatch(name)}
    for name in sorted(named - created - USER_FILES):
        if not any(document.root.glob(name)):
            yield f"the file {name} does not exist"


def check_addresses(document: Document) -> Iterator[str]:
    """Yield each address of a package registry and each folder of one machine."""
    for pattern in (REGISTRY, LOCAL_FOLDER):
        yield from (
            f"{match[0]} is the address of a registry or of one machine" for match in pattern.finditer(document.text)
        )


def check_commands(document: Document) -> Iterator[str]:
    """Yield each `handrail` command that does not exist."""
    typed = [line for line in document.code.splitlines() if line.startswith("$ ")]
    for name, subcommand in COMMAND.findall("\n".join([document.prose, *typed])):
        if name not in COMMANDS:
            yield f"the command `handrail {name}` does not exist"
        elif subcommand and (subcommands := list_subcommands(name)) and subcommand not in subcommands:
            yield f"the command `handrail {name} {subcommand}` does not exist"


def list_subcommands(name: str) -> set[str]:
    """Return the commands of a group, or nothing if the command is not a group."""
    module, _, app = COMMANDS[name].location.partition(":")
    return set(getattr(get_command(getattr(import_module(module), app or "app")), "commands", ()))


def check_make_targets(document: Document) -> Iterator[str]:
    """Yield each make target that the Makefile of the source tree does not have."""
    targets = re.findall(r"^([a-z-]+):", (document.root / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    for in_prose, at_line_start in MAKE_TARGET.findall(f"{document.prose}\n{document.code}"):
        if (name := in_prose or at_line_start) not in targets:
            yield f"the target `make {name}` does not exist"


def check_settings(document: Document) -> Iterator[str]:
    """Yield each variable in a table that is no setting."""
    rows = "\n".join(line for line in document.prose.splitlines() if line.startswith("|"))
    named = {name for name in CODE.findall(rows) if SETTING.fullmatch(name)}
    for name in sorted(named - {field.upper() for field in Settings.model_fields}):
        yield f"{name} is no setting"


def check_adr(document: Document) -> Iterator[str]:
    """Yield deviations of an ADR from the form of ADRs. Other documents have none."""
    if document.path.parent.name != "adr":
        return
    lines = document.text.splitlines()
    if not lines[0].startswith(f"# {document.path.name[:4]} "):
        yield "the title does not begin with the number"
    if [line.removeprefix("## ") for line in lines if line.startswith("## ")] != ADR_HEADINGS:
        yield f"the headings are not {', '.join(ADR_HEADINGS)}"
    if not MIN_ADR_LINES <= len(lines) <= MAX_ADR_LINES:
        yield f"{len(lines)} lines, not {MIN_ADR_LINES} to {MAX_ADR_LINES}"


def check_length(document: Document) -> Iterator[str]:
    """Yield the length of the architecture document if it is too long."""
    length = len(document.text.splitlines())
    if document.path == document.root / "ARCHITECTURE.md" and length > MAX_ARCHITECTURE_LINES:
        yield f"{length} lines, more than {MAX_ARCHITECTURE_LINES}"


def check_glossary(document: Document) -> Iterator[str]:
    """Yield each word of the glossary that occurs twice, or whose name is not in the file that its row names."""
    if document.path.name != "glossary.md":
        return
    rows = GLOSSARY_ROW.findall(document.prose)
    words = [word for word, _, _ in rows]
    if len(rows) < MIN_GLOSSARY_ROWS:
        yield f"only {len(rows)} rows have the form of a row"
    yield from (f"{word} has two rows" for word in sorted({word for word in words if words.count(word) > 1}))
    for word, name, file in rows:
        path = document.root / file
        if not path.exists() or not re.search(rf"\b{name}\b", path.read_text(encoding="utf-8")):
            yield f"{word}: no {name} in {file}"


def check_event_names(document: Document) -> Iterator[str]:
    """Yield each event type that the ADR of event names does not explain."""
    if document.path.name == "0013-event-names.md":
        yield from (
            f"{event} is not explained" for event in sorted(EVENT_SCHEMA_VERSIONS) if f"`{event}`" not in document.prose
        )


DOCUMENT_RULES: tuple[DocumentRule, ...] = (
    check_links,
    check_paths,
    check_addresses,
    check_commands,
    check_make_targets,
    check_settings,
    check_adr,
    check_length,
    check_glossary,
    check_event_names,
)


def check_adr_numbers(names: Iterable[str]) -> Iterator[str]:
    """Yield the first number that is missing or used twice among the file names of ADRs."""
    for number, name in enumerate(sorted(names), 1):
        if not name.startswith(f"{number:04}-"):
            yield f"docs/adr/{name}: the next number is {number:04}"
            return


def find_mistakes(documents: list[Document]) -> Iterator[str]:
    """Yield the mistakes of all documents, each with the path of its document."""
    for document in documents:
        for rule in DOCUMENT_RULES:
            yield from (f"{document.path.relative_to(document.root)}: {mistake}" for mistake in rule(document))
    yield from check_adr_numbers(document.path.name for document in documents if document.path.parent.name == "adr")


def main() -> int:
    """Print the mistakes. Return 1 if there is any, otherwise 0."""
    mistakes = list(find_mistakes(find_documents()))
    sys.stdout.writelines(f"{mistake}\n" for mistake in mistakes)
    return 1 if mistakes else 0


if __name__ == "__main__":
    sys.exit(main())
