"""Changes of arguments as they are typed, and what becomes of the other arguments."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.terminal.argument_changes import ArgumentChanges, parse_changes

BEFORE = {"tag": "v1.4.0", "environment": "production", "count": 2, "notes": ["a"]}


def applied(text: str) -> dict[str, object]:
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
def test_an_edit_changes_what_is_named_and_keeps_the_rest(text, changed):
    assert applied(text) == {**BEFORE, **changed}


@pytest.mark.parametrize(
    "text", ["", "v1", "=v1", "tag v1", "tag=v1 or so", 'tag="v1', 'tag="v1"x', "[1]", "{", "{} x"]
)
def test_text_that_names_no_change_is_no_edit(text):
    assert parse_changes(text) is None


@given(st.text())
def test_any_text_is_an_edit_or_none(text):
    changes = parse_changes(text)
    assert changes is None or isinstance(changes.apply_to(BEFORE), dict)


NAMES = st.from_regex(r"[a-z_]{1,9}", fullmatch=True)
VALUES = st.text() | st.lists(st.integers()) | st.dictionaries(st.text(), st.text())


@given(st.dictionaries(NAMES, VALUES, min_size=1))
def test_values_written_as_json_arrive_as_they_are(values):
    text = " ".join(f"{name}={json.dumps(value)}" for name, value in values.items())
    assert parse_changes(text) == ArgumentChanges(values=values)
