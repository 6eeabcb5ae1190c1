"""Tests of the lines of TOML keys, with generated texts whose lines are counted while they are written."""

import tomllib
from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from agents.core.config_issues import KeyPath, find_line
from agents.loading.toml_document import line_numbers

LOOKS_LIKE_STRUCTURE = '[header]\nkey = { a = 1 }\n# no comment, [[nor]] = "this"'
SCALARS = (
    *("1", "-1.5e3", "0xff", "true", "inf", "1979-05-27T07:32:00Z", "1979-05-27 07:32:00.5", "07:32:00"),
    *('""', "''", '"a = [b]"', '"\\"#]"', "'C:\\'", '"""one"""', '"""a "quoted" word"""', "'''it's'''", '""""5"""""'),
    f'"""\n{LOOKS_LIKE_STRUCTURE}\\\n  """',
    f"'''\n{LOOKS_LIKE_STRUCTURE}\n'''",
)
KEYS: tuple[Callable[[int], str], ...] = (
    lambda number: f"key-{number}",
    lambda number: f"{number}",
    lambda number: f'"a b = [{number}] # \\" \\u00e9"',
    lambda number: f"'lit.{number}'",
)


class Writer:
    """Writer of TOML that records the line where each path first appears, and the line of its statement."""

    def __init__(self, data: st.DataObject) -> None:
        self.data = data
        self.text = ""
        self.lines: dict[KeyPath, int] = {}
        self.statement_lines: dict[KeyPath, int] = {}
        self.statement_line: int | None = None
        self.key_count = 0

    def write_document(self) -> str:
        self.write_pairs(())
        for _ in range(self.draw(st.integers(0, 4))):
            self.write_section()
        return self.text

    def write_section(self) -> None:
        self.break_line()
        repeated = self.draw(st.booleans())
        key, name = self.new_key()
        for index in range(self.draw(st.integers(1, 3)) if repeated else 1):
            self.record_line((name,))
            path: KeyPath = (name, index) if repeated else (name,)
            self.record_line(path)
            self.write(f"[[ {key} ]]" if repeated else f"[{key}]")
            self.break_line()
            self.write_pairs(path)
            self.write_sub_section(key, path)

    def write_sub_section(self, parent: str, path: KeyPath) -> None:
        if self.draw(st.booleans()):
            key, name = self.new_key()
            deeper, leaf = self.new_key()
            self.record_line((*path, name))
            self.record_line((*path, name, leaf))
            self.write(f"[{parent} . {key}.{deeper}]")
            self.break_line()
            self.write_pairs((*path, name, leaf))

    def write_pairs(self, table: KeyPath) -> None:
        for _ in range(self.draw(st.integers(0, 3))):
            self.statement_line = self.line
            self.write_pair(table, depth=0)
            self.statement_line = None
            self.break_line()

    def write_pair(self, table: KeyPath, depth: int) -> None:
        path = table
        for part in range(self.draw(st.integers(1, 2))):
            key, name = self.new_key()
            path = (*path, name)
            self.record_line(path)
            self.write(f"{' . ' if part else ''}{key}")
        self.write(self.draw(st.sampled_from([" = ", "="])))
        self.write_value(path, depth)

    def write_value(self, path: KeyPath, depth: int) -> None:
        kind = self.draw(st.sampled_from(["scalar", "array", "table"])) if depth < 3 else "scalar"
        if kind == "array":
            self.write_array(path, depth)
        elif kind == "table":
            self.write_inline_table(path, depth)
        else:
            self.write(self.draw(st.sampled_from(SCALARS)))

    def write_array(self, path: KeyPath, depth: int) -> None:
        self.write("[")
        size = self.draw(st.integers(0, 3))
        for index in range(size):
            self.maybe_break_line()
            self.record_line((*path, index))
            self.write_value((*path, index), depth + 1)
            self.maybe_break_line()
            if index + 1 < size or self.draw(st.booleans()):
                self.write(",")
        self.maybe_break_line()
        self.write("]")

    def write_inline_table(self, path: KeyPath, depth: int) -> None:
        self.write("{ ")
        for index in range(self.draw(st.integers(0, 2))):
            self.write(", " if index else "")
            self.write_pair(path, depth + 1)
        self.write(" }")

    def new_key(self) -> tuple[str, str]:
        self.key_count += 1
        key = self.draw(st.sampled_from(KEYS))(self.key_count)
        return key, next(iter(tomllib.loads(f"{key} = 1")))

    def break_line(self) -> None:
        self.write(self.draw(st.sampled_from(["\n", "\r\n", ' # [x] = "\n', "\n\n  ", "\n# '''\n\t"])))

    def maybe_break_line(self) -> None:
        if self.draw(st.booleans()):
            self.break_line()

    @property
    def line(self) -> int:
        return self.text.count("\n") + 1

    def record_line(self, path: KeyPath) -> None:
        self.lines.setdefault(path, self.line)
        self.statement_lines.setdefault(path, self.statement_line or self.line)

    def write(self, text: str) -> None:
        self.text += text

    def draw(self, strategy: st.SearchStrategy[Any]) -> Any:
        return self.data.draw(strategy)


@given(st.data())
def test_every_key_has_a_line_between_its_statement_and_itself(data: st.DataObject) -> None:
    writer = Writer(data)
    text = writer.write_document()
    tomllib.loads(text)
    lines = line_numbers(text)
    assert lines.keys() == writer.lines.keys()
    assert all(writer.statement_lines[path] <= line <= writer.lines[path] for path, line in lines.items())


ARRAY = """
[agents.deploy]
rules = [ # the first line
  "a", "b",
  # a comment with a ]

  { name = "c", tools = [1, 2] }, 'd',
  [
    1,
    2,
  ]
  , "e"]
"""


def test_elements_of_an_array_have_their_own_lines() -> None:
    lines = line_numbers(ARRAY)
    rules: KeyPath = ("agents", "deploy", "rules")

    assert lines[rules] == 3
    assert [lines[*rules, index] for index in range(5)] == [4, 4, 7, 7, 8]
    assert lines[*rules, 2, "tools", 1] == 7


def test_values_inside_an_element_have_the_line_of_the_element() -> None:
    lines = line_numbers(ARRAY)

    assert lines["agents", "deploy", "rules", 4, 1] == 8


def test_array_whose_first_line_ends_inside_an_element_has_one_line() -> None:
    assert line_numbers("a = [[\n1],\n2]\nb = 1\n") == {
        ("a",): 1, ("a", 0): 1, ("a", 0, 0): 1, ("a", 1): 1, ("b",): 4,
    }  # fmt: skip


@given(
    st.lists(st.sampled_from([*"[]{}=,.#\n ab1\"'", "a=1\n", "[a]\n", "[[b]]\n", '"""', "'''", "c=[\n1]\n"])).map(
        "".join
    )
)
def test_every_key_of_valid_toml_has_a_line(text: str) -> None:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    assert set(paths_in(document)) <= line_numbers(text).keys()


def test_missing_key_has_the_line_of_its_table() -> None:
    lines = line_numbers("\n[people.alice]\nname = 1\n")
    assert find_line(("people", "alice", "roles", 0), lines) == 2
    assert find_line(("policy", 0), lines) == 1


def paths_in(value: object, path: KeyPath = ()) -> Iterator[KeyPath]:
    if path:
        yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in inner:
        yield from paths_in(part, (*path, key))
