"""Tests of the lines of TOML keys, with generated texts whose lines are counted while they are written."""

import tomllib
from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from agents.toml_lines import KeyPath, find_line, line_numbers

LOOKS_LIKE_STRUCTURE = '[header]\nkey = { a = 1 }\n# no comment, [[nor]] = "this"'
SCALARS = (
    *("1", "-1.5e3", "0xff", "true", "inf", "1979-05-27T07:32:00Z", "1979-05-27 07:32:00.5", "07:32:00"),
    *('""', "''", '"a = [b]"', '"\\"#]"', "'C:\\'", '"""one"""', '"""a "quoted" word"""', "'''it's'''", '""""5"""""'),
    f'"""\n{LOOKS_LIKE_STRUCTURE}\\\n  """',
    f"'''\n{LOOKS_LIKE_STRUCTURE}\n'''",
)
KEYS: tuple[Callable[[int], str], ...] = (
    lambda n: f"key-{n}",
    lambda n: f"{n}",
    lambda n: f'"a b = [{n}] # \\" \\u00e9"',
    lambda n: f"'lit.{n}'",
)


class Writer:
    """Writer of TOML that records the line where each path first appears."""

    def __init__(self, data: st.DataObject) -> None:
        self.data = data
        self.text = ""
        self.lines: dict[KeyPath, int] = {}
        self.names = 0

    def document(self) -> str:
        self.pairs(())
        for _ in range(self.draw(st.integers(0, 4))):
            self.section()
        return self.text

    def section(self) -> None:
        self.break_line()
        repeated = self.draw(st.booleans())
        key, name = self.fresh_key()
        for index in range(self.draw(st.integers(1, 3)) if repeated else 1):
            self.note((name,))
            path: KeyPath = (name, index) if repeated else (name,)
            self.note(path)
            self.put(f"[[ {key} ]]" if repeated else f"[{key}]")
            self.break_line()
            self.pairs(path)
            self.sub_section(key, path)

    def sub_section(self, parent: str, path: KeyPath) -> None:
        if self.draw(st.booleans()):
            key, name = self.fresh_key()
            deeper, leaf = self.fresh_key()
            self.note((*path, name))
            self.note((*path, name, leaf))
            self.put(f"[{parent} . {key}.{deeper}]")
            self.break_line()
            self.pairs((*path, name, leaf))

    def pairs(self, table: KeyPath) -> None:
        for _ in range(self.draw(st.integers(0, 3))):
            self.pair(table, depth=0)
            self.break_line()

    def pair(self, table: KeyPath, depth: int) -> None:
        path = table
        for part in range(self.draw(st.integers(1, 2))):
            key, name = self.fresh_key()
            path = (*path, name)
            self.note(path)
            self.put(f"{' . ' if part else ''}{key}")
        self.put(self.draw(st.sampled_from([" = ", "="])))
        self.value(path, depth)

    def value(self, path: KeyPath, depth: int) -> None:
        kind = self.draw(st.sampled_from(["scalar", "array", "table"])) if depth < 3 else "scalar"
        if kind == "array":
            self.array(path, depth)
        elif kind == "table":
            self.inline_table(path, depth)
        else:
            self.put(self.draw(st.sampled_from(SCALARS)))

    def array(self, path: KeyPath, depth: int) -> None:
        self.put("[")
        size = self.draw(st.integers(0, 3))
        for index in range(size):
            self.maybe_break_line()
            self.note((*path, index))
            self.value((*path, index), depth + 1)
            self.maybe_break_line()
            if index + 1 < size or self.draw(st.booleans()):
                self.put(",")
        self.maybe_break_line()
        self.put("]")

    def inline_table(self, path: KeyPath, depth: int) -> None:
        self.put("{ ")
        for index in range(self.draw(st.integers(0, 2))):
            self.put(", " if index else "")
            self.pair(path, depth + 1)
        self.put(" }")

    def fresh_key(self) -> tuple[str, str]:
        self.names += 1
        key = self.draw(st.sampled_from(KEYS))(self.names)
        return key, next(iter(tomllib.loads(f"{key} = 1")))

    def break_line(self) -> None:
        self.put(self.draw(st.sampled_from(["\n", "\r\n", ' # [x] = "\n', "\n\n  ", "\n# '''\n\t"])))

    def maybe_break_line(self) -> None:
        if self.draw(st.booleans()):
            self.break_line()

    def note(self, path: KeyPath) -> None:
        self.lines.setdefault(path, self.text.count("\n") + 1)

    def put(self, text: str) -> None:
        self.text += text

    def draw(self, strategy: st.SearchStrategy[Any]) -> Any:
        return self.data.draw(strategy)


@given(st.data())
def test_every_key_has_its_line(data: st.DataObject) -> None:
    writer = Writer(data)
    text = writer.document()
    tomllib.loads(text)
    assert line_numbers(text) == writer.lines


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
