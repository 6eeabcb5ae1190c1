"""Tests that no regular expression takes quadratic time. Each is run on long texts that repeat its own parts."""

import ast
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from agents.core.commands import _compile_pattern
from agents.core.visible_text import escape_hidden_characters
from agents.registry import load_registry
from tests.slow_cases import slow

ROOT = Path(__file__).parent.parent
SOURCES = sorted(
    path for package in ("agents", "bot", "channels", "storage") for path in (ROOT / package).rglob("*.py")
)

AGENTS = load_registry().agents
FUNCTIONS = {"compile", "match", "fullmatch", "search", "sub", "split", "findall", "finditer"}
HOSTILE_TEXT_LENGTH = 24_576
MAX_SECONDS = 0.6
"""A linear search takes about a millisecond, a quadratic one two seconds."""
MISMATCHING_SUFFIX = "\x00\n!"
SAMPLE_CHARACTERS = " a1Z_.-:/!,<@=\\`\t?&"
CATEGORIES = {
    "CATEGORY_SPACE": r"\s",
    "CATEGORY_NOT_SPACE": r"\S",
    "CATEGORY_WORD": r"\w",
    "CATEGORY_NOT_WORD": r"\W",
    "CATEGORY_DIGIT": r"\d",
    "CATEGORY_NOT_DIGIT": r"\D",
}
BUILT_FROM_PARTS = {
    "agents/llm/answer_object.py": "tags and the fence, escaped",
    "agents/core/visible_text.py": "sequences of fixed length",
    "agents/core/commands.py": "the patterns of commands, tested below",
    "channels/slack/events_api.py": "the bot's own name, escaped",
    "storage/database/errors.py": "a table of words in the messages of PostgreSQL",
}
"""Modules with an expression that is not a literal, and why that is safe."""


@dataclass(frozen=True)
class RegexUse:
    """An expression in the source, and a method that the source calls on it."""

    module: str
    pattern: str | bytes
    flags: int
    method: str

    def __str__(self) -> str:
        return f"{self.module}:{self.method}:{self.pattern[:40]!r}"

    def run(self, text: str) -> None:
        expression = re.compile(self.pattern, self.flags)
        subject = text.encode("latin-1") if isinstance(self.pattern, bytes) else text
        arguments = (subject[:0], subject) if self.method == "sub" else (subject,)
        result = getattr(expression, self.method)(*arguments)
        if self.method == "finditer":
            list(result)


def regex_calls(tree: ast.Module) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="re"), attr=attr)) if attr in FUNCTIONS:
                yield node


def methods_by_name(trees: dict[str, ast.Module]) -> dict[str, set[str]]:
    """Return the methods called anywhere on each name: NAME.search(...), module.NAME.fullmatch(...)."""
    found: dict[str, set[str]] = {}
    for node in (node for tree in trees.values() for node in ast.walk(tree)):
        match node:
            case ast.Attribute(value=ast.Name(id=name) | ast.Attribute(attr=name), attr=method) if method in FUNCTIONS:
                found.setdefault(name, set()).add(method)
    return found


def pattern_names(tree: ast.Module) -> dict[ast.Call, str]:
    return {
        node.value: node.targets[0].id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and isinstance(node.targets[0], ast.Name)
    }


def find_uses() -> Iterator[RegexUse]:
    trees = {str(path.relative_to(ROOT)): ast.parse(path.read_text(encoding="utf-8")) for path in SOURCES}
    methods = methods_by_name(trees)
    for module, tree in trees.items():
        names = pattern_names(tree)
        for call in regex_calls(tree):
            if not isinstance(call.args[0], ast.Constant):
                continue
            function = call.func.attr  # type: ignore[attr-defined]
            method_names = {function} if function != "compile" else methods.get(names.get(call, ""), {"search"})
            for method in sorted(method_names - {"compile"}):
                yield RegexUse(module, call.args[0].value, evaluate_flags(call, function), method)


def evaluate_flags(call: ast.Call, function: str) -> int:
    position = {"compile": 1, "sub": 4}.get(function, 2)
    flags = [keyword.value for keyword in call.keywords if keyword.arg == "flags"] + call.args[position : position + 1]
    return int(eval(ast.unparse(flags[0]), {"re": re})) if flags else 0  # noqa: S307 - the source itself


def hostile_texts(pattern: str | bytes, flags: int) -> Iterator[str]:
    """Yield texts that begin like a match and then repeat one element, or one character, many times."""
    parsed = re._parser.parse(pattern, flags)  # type: ignore[attr-defined]
    for before, repeated in unbounded_repeats(list(parsed)):
        pumped = (repeated or "a") * (HOSTILE_TEXT_LENGTH // len(repeated or "a"))
        yield from (
            pumped,
            before + pumped,
            before + pumped + MISMATCHING_SUFFIX,
            f"{before} {pumped}{MISMATCHING_SUFFIX}",
        )
    letters = sorted(set(example_match(list(parsed)) + "a 1-"))[:8]
    for one, other in product(letters, repeat=2):
        yield (one + other) * (HOSTILE_TEXT_LENGTH // 2) + MISMATCHING_SUFFIX
        yield one * (HOSTILE_TEXT_LENGTH // 2) + other * (HOSTILE_TEXT_LENGTH // 2) + MISMATCHING_SUFFIX


def unbounded_repeats(items: list[Any], before: str = "") -> Iterator[tuple[str, str]]:
    """Yield the text before each unbounded repeat, and the shortest text that it repeats."""
    for operator, argument in items:
        name = str(operator)
        if name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            if argument[1] > 1000:
                yield before, example_match(list(argument[2]))
                yield from ((before, letter) for letter in example_letters(list(argument[2])))
            yield from unbounded_repeats(list(argument[2]), before)
        elif name == "SUBPATTERN":
            yield from unbounded_repeats(list(argument[-1]), before)
        elif name == "BRANCH":
            for branch in argument[1]:
                yield from unbounded_repeats(list(branch), before)
        before += example_match([(operator, argument)])


def example_match(items: list[Any]) -> str:
    """Return a short text that these parts of an expression match; for a negated set, any plain letter outside it."""
    return "".join(_example(str(operator), argument) for operator, argument in items)


def _example(operator: str, argument: Any) -> str:
    match operator:
        case "LITERAL":
            return chr(argument)
        case "IN" | "NOT_LITERAL" | "ANY":
            return next(iter(example_letters([(operator, argument)])), "")
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
            return example_match(list(argument[2])) * max(argument[0], 1 if argument[1] else 0)
        case "SUBPATTERN" | "BRANCH":
            inner = argument[-1]
            return example_match(list(inner[0] if operator == "BRANCH" else inner))
        case _:
            return ""


def example_letters(items: list[Any]) -> list[str]:
    """Return up to four plain letters that match, if the parts are a single character set."""
    if len(items) != 1:
        return []
    operator, argument = str(items[0][0]), items[0][1]
    members = {"IN": argument, "NOT_LITERAL": [("NEGATE", None), ("LITERAL", argument)], "ANY": [("NEGATE", None)]}
    return [letter for letter in SAMPLE_CHARACTERS if operator in members and contains(members[operator], letter)][:4]


def contains(members: list[Any], letter: str) -> bool:
    """Return whether a parsed character set contains the letter."""
    negated, found = False, False
    for operator, argument in members:
        match str(operator):
            case "NEGATE":
                negated = True
            case "LITERAL":
                found |= ord(letter) == argument
            case "RANGE":
                found |= argument[0] <= ord(letter) <= argument[1]
            case "CATEGORY":
                found |= re.match(CATEGORIES[str(argument)], letter) is not None
    return found != negated


def slow_texts(use: RegexUse) -> list[str]:
    """Return the first text that takes too long at each of three attempts: on a busy machine, any one can."""
    for text in set(hostile_texts(use.pattern, use.flags)):
        if all(measure_seconds(use, text) > MAX_SECONDS for _ in range(3)):
            return [f"{text[:30]!r}… of {len(text)} characters"]
    return []


def measure_seconds(use: RegexUse, text: str) -> float:
    started_at = time.process_time()
    use.run(text)
    return time.process_time() - started_at


@pytest.mark.parametrize("use", list(find_uses()), ids=str)
def test_expression_takes_linear_time_on_hostile_text(use: RegexUse) -> None:
    assert not slow_texts(use)


@pytest.mark.parametrize("agent", AGENTS, ids=lambda agent: agent.name)
def test_commands_take_linear_time_on_hostile_text(agent: Any) -> None:
    patterns = [pattern for command in agent.commands.commands for pattern in command.say]
    assert patterns
    for pattern in patterns:
        compiled = _compile_pattern(pattern)
        assert not slow_texts(RegexUse(agent.name, compiled.pattern, compiled.flags, "fullmatch")), pattern


def test_zero_width_joiners_are_escaped_in_linear_time() -> None:
    for text in ("\N{ZERO WIDTH JOINER}" * HOSTILE_TEXT_LENGTH, "\N{WOMAN}\N{ZERO WIDTH JOINER}" * HOSTILE_TEXT_LENGTH):
        started_at = time.process_time()
        escape_hidden_characters(text)
        assert time.process_time() - started_at < 10 * MAX_SECONDS


def test_other_modules_use_literal_expressions_only() -> None:
    built = {
        str(path.relative_to(ROOT))
        for path in SOURCES
        for call in regex_calls(ast.parse(path.read_text(encoding="utf-8")))
        if not isinstance(call.args[0], ast.Constant)
    }
    assert built <= set(BUILT_FROM_PARTS)


@pytest.mark.parametrize(
    ("pattern", "method"), [pytest.param(r"[\s.!?]+$", "sub", marks=slow), (r"\s*x?\s*y", "fullmatch")]
)
def test_search_detects_quadratic_expressions(pattern: str, method: str) -> None:
    assert slow_texts(RegexUse("here", pattern, 0, method))
