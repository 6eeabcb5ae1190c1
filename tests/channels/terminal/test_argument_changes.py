"""Typed changes of arguments: parsing them, and applying them to the other arguments."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.terminal.commands import ArgumentChanges, parse_changes

BEFORE = {"tag": "v1.4.0", "environment": "production", "count": 2, "notes": ["a"]}


def apply_changes(text: str) -> dict[str, object]:
    changes = parse_changes(text)
    assert changes is not None
    return changes.apply_to(BEFORE)


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("tag=v1.4.1", {"tag": "v1.4.1"}),
        ("tag=5.0", {"tag": "5.0"}),
        ("tag=null", {"tag": "null"}),
        ("tag=", {"tag": ""}),
        ("tag= count=3", {"tag": "", "count": 3}),
        ("count=3  tag=v2", {"count": 3, "tag": "v2"}),
        ("count=many", {"count": "many"}),
        ('tag="two words" count=1', {"tag": "two words", "count": 1}),
        ('notes=["a", "b c"] tag=a=b', {"notes": ["a", "b c"], "tag": "a=b"}),
        ("more=true", {"more": True}),
        ('{"tag": "v2"}', {"tag": "v2"}),
    ],
)
def test_edit_changes_named_arguments_and_keeps_the_rest(text, changed):
    assert apply_changes(text) == {**BEFORE, **changed}


@pytest.mark.parametrize(
    "text", ["", "v1", "=v1", "tag v1", "tag=v1 or so", 'tag="v1', 'tag="v1"x', "[1]", "{", "{} x"]
)
def test_text_without_a_valid_change_is_not_an_edit(text):
    assert parse_changes(text) is None


@given(st.text())
def test_parser_accepts_any_text(text):
    changes = parse_changes(text)
    assert changes is None or isinstance(changes.apply_to(BEFORE), dict)


NAMES = st.from_regex(r"[a-z_]{1,9}", fullmatch=True)
VALUES = st.text() | st.lists(st.integers()) | st.dictionaries(st.text(), st.text())


@given(st.dictionaries(NAMES, VALUES, min_size=1))
def test_json_values_are_parsed_exactly(values):
    text = " ".join(f"{name}={json.dumps(value)}" for name, value in values.items())
    assert parse_changes(text) == ArgumentChanges(values=values)
