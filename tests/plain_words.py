"""Report unclear words in names, docstrings, comments, messages and documents (CONTRIBUTING.md, "Language").

    python -m tests.plain_words [FILE ...]

Without arguments, every Python, Markdown and TOML file and .env.example in git, except this file, is checked. `make
check` runs this. Text in backticks and code blocks of Markdown are exempt, as are the strings of tests: they are inputs
and expectations.
"""

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
CHECKED = ("*.py", "*.md", "*.toml", ".env.example")
MAX_TEST_NAME_LENGTH = 70

# Words that are reported in prose, in upper or lower case, with the reason.
SENTENCE_WORDS = {
    r"told": "say which part does what: 'records', 'reports', 'shows', 'the message'",
    r"heard|hears": "messages are received, parsed or routed",
    r"somebody|someone": "name the role: 'a person', 'an approver', 'another process'",
    r"nobody|no one": "name the role: 'no approver', 'no process'",
    r"everybody": "name the group: 'all people', 'all approvers'",
    r"whoever|whatever|whichever": "name the role or the value",
    r"we|us|our|ours|ourselves": "name the part: 'Handrail', 'the reducer', 'this process'",
    r"knocks?|errands?|parcels?|couriers?|zygotes?": "use the standard term",
}
# References that are reported in prose, case-sensitive, with the reason.
REFERENCES = {r"DESIGN|CONTRACT|[Ff]actor \d+": "cite an ADR: this document is not in the repository"}

OPENING_REASON = "begin the sentence with its subject or a verb"
OPENING = re.compile(r"(?:^|[.!?:]\s+)(Who|Whoever|What|Where|Of|Those)\b(?=[^?]*(?:\.|$))", re.MULTILINE)

# Words that are reported in identifiers, with what to do instead.
NAME_WORDS = {
    "told": "use a verb: 'report', 'format', 'message'",
    "heard": "use 'received' or 'parse'",
    "somebody": "use 'person', 'user' or 'actor'",
    "nobody": "say what is missing",
    "whoever": "name the role",
    "ourselves": "use 'bot'",
    "patience": "use 'timeout_seconds' or 'max_attempts'",
    "most": "use 'max_' and what is bounded",
    "longest": "use 'max_..._length'",
    "apart": "use 'min_interval_seconds'",
    "courier": "use 'dispatcher'",
    "parcel": "use 'outbox_message'",
    "errand": "use 'command_run'",
    "hopeful": "use 'optimistic'",
    "zygote": "use 'fork_server'",
    "nursery": "use 'process_pool'",
    "mortal": "use 'faulty'",
    "presser": "use 'action_user'",
    "remnant": "use 'deleted_message'",
    "elsewhere": "say where",
}

_PROSE_RULES = [
    *((re.compile(rf"\b(?:{words})\b", re.IGNORECASE), reason) for words, reason in SENTENCE_WORDS.items()),
    *((re.compile(rf"\b(?:{words})\b"), reason) for words, reason in REFERENCES.items()),
]
_ACRONYMS = frozenset({"US"})
_CODE = re.compile(r"^```.*?^```|`[^`\n]*`|<!--.*?-->", re.DOTALL | re.MULTILINE)
_LINTER_DIRECTIVE = re.compile(r"noqa:? ?[A-Z0-9, ]*|type: ignore\S*")
_NAME_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")

Finding = tuple[int, str]  # line, reason


def without_code(text: str) -> str:
    """Blank out code spans, code blocks and HTML comments; lines keep their numbers."""
    return _CODE.sub(lambda code: re.sub(r"[^\n]", "_", code[0]), text)


def check_words(text: str, first_line: int = 1) -> Iterator[Finding]:
    """Yield a finding for each unclear word in prose."""
    prose = without_code(text)
    for pattern, reason in _PROSE_RULES:
        for match in pattern.finditer(prose):
            if match[0] not in _ACRONYMS:
                yield first_line + prose.count("\n", 0, match.start()), f"'{match[0]}': {reason}"


def check_openings(text: str, first_line: int = 1) -> Iterator[Finding]:
    """Yield a finding for each sentence that begins with a clause. Questions are accepted."""
    prose = without_code(text)
    for match in OPENING.finditer(prose):
        yield first_line + prose.count("\n", 0, match.start(1)), f"'{match[1]} ...': {OPENING_REASON}"


def check_name(name: str, line: int = 1) -> Iterator[Finding]:
    """Yield a finding for each unclear word in an identifier, and for a test name that is too long."""
    for word in _NAME_WORD.findall(name):
        if word.lower() in NAME_WORDS:
            yield line, f"rename {name}: {NAME_WORDS[word.lower()]}"
    if name.startswith("test_") and len(name) > MAX_TEST_NAME_LENGTH:
        yield line, f"shorten {name}: {len(name)} characters, at most {MAX_TEST_NAME_LENGTH} allowed"


def check_python(source: str, *, is_test: bool = False) -> Iterator[Finding]:
    """Yield the findings in a Python file: names, docstrings, comments and, unless it is a test, other strings."""
    tree = ast.parse(source)
    for name, line in _names(tree):
        yield from check_name(name, line)
    docstrings = dict(_docstrings(tree))
    for line, text in [*docstrings.items(), *_comments(source)]:
        yield from check_words(text, line)
        yield from check_openings(text, line)
    if not is_test:
        for line, text in _strings(tree):
            if line not in docstrings and " " in text:  # a text, not a key
                yield from check_words(text, line)


def _names(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield each name that the file defines, with its line."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.name, node.lineno
            case ast.arg():
                yield node.arg, node.lineno
            case ast.Name(ctx=ast.Store()):
                yield node.id, node.lineno
            case ast.Attribute(ctx=ast.Store()):
                yield node.attr, node.lineno
            case ast.MatchAs(name=str(name)):
                yield name, node.lineno


def _docstrings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield each docstring with its first line. A string below a constant or a field counts as its docstring."""
    for node in ast.walk(tree):
        match node:
            case ast.Expr(value=ast.Constant(value=str(text), lineno=line)):
                yield line, text


def _comments(source: str) -> Iterator[tuple[int, str]]:
    """Yield each comment with its line, without directives for linters."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], _LINTER_DIRECTIVE.sub("", token.string.lstrip("# "))


def _strings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield each string constant with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def check_file(path: Path) -> list[Finding]:
    """Return the findings in one file, ordered by line."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        return sorted(set(check_words(text)))
    is_test = "tests" in path.relative_to(ROOT).parts
    return sorted({*check_name(path.stem), *check_python(text, is_test=is_test)})


def tracked_files() -> list[Path]:
    """Return the files in git that are checked: all but this one, which contains the unclear words."""
    listed = subprocess.run(["git", "ls-files", *CHECKED], cwd=ROOT, capture_output=True, text=True, check=True)
    paths = [ROOT / name for name in listed.stdout.splitlines()]
    return [path for path in paths if path.exists() and path != Path(__file__).resolve()]


def main(arguments: list[str]) -> int:
    """Print each finding with its file and line. Return 1 if there is any, otherwise 0."""
    files = [Path(argument).resolve() for argument in arguments] or tracked_files()
    findings = [f"{path.relative_to(ROOT)}:{line}: {reason}" for path in files for line, reason in check_file(path)]
    sys.stdout.writelines(f"{finding}\n" for finding in findings)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
