"""New arguments that a person writes as text are converted to the types of the tool's schema."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.core.errors import InvalidAnswer
from agents.core.requests import Request
from channels.edited_arguments import merge_arguments
from tests.agents.factories import get_open_request, thread_waiting_for_approval

SCHEMA: dict[str, Any] = {
    "properties": {
        "tag": {"type": "string"},
        "count": {"type": "integer"},
        "limit": {"anyOf": [{"type": "number"}, {"type": "null"}]},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "is_forced": {"type": "boolean"},
        "color": {"$ref": "#/$defs/Color"},
        "names": {"type": "array", "items": {"type": "string"}},
        "anything": {},
    },
    "$defs": {"Color": {"enum": ["red"], "type": "string"}},
}
ARGUMENTS = {"tag": "v1", "count": 1}


def request_with_arguments(arguments: dict[str, Any] | None = ARGUMENTS) -> Request:
    request = get_open_request(thread_waiting_for_approval())
    return request.model_copy(update={"arguments": arguments})


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("tag", "12", "12"),
        ("count", "12", 12),
        ("limit", "1.5", 1.5),
        ("limit", "null", None),
        ("note", "null", "null"),
        ("is_forced", "true", True),
        ("color", "red", "red"),
        ("names", '["a", "b"]', ["a", "b"]),
        ("anything", "12", "12"),
    ],
)
def test_value_gets_the_type_of_the_schema(name: str, text: str, value: object) -> None:
    assert merge_arguments(request_with_arguments(), {name: text}, SCHEMA) == {**ARGUMENTS, name: value}


@pytest.mark.parametrize(
    ("assignments", "schema", "message"),
    [
        ({"tog": "v2"}, SCHEMA, "There is no argument tog; there are: tag, count"),
        ({"count": "many"}, SCHEMA, "The value of count is not of the right type."),
        ({"tag": "v2"}, None, "This request cannot be edited"),
    ],
)
def test_edit_that_does_not_fit_is_explained(
    assignments: dict[str, str], schema: dict[str, Any] | None, message: str
) -> None:
    with pytest.raises(InvalidAnswer, match=message):
        merge_arguments(request_with_arguments(), assignments, schema)


def test_request_without_arguments_cannot_be_edited() -> None:
    with pytest.raises(InvalidAnswer, match="cannot be edited"):
        merge_arguments(request_with_arguments(None), {"tag": "v2"}, SCHEMA)


@given(st.dictionaries(st.sampled_from([*SCHEMA["properties"], "other"]), st.text(max_size=20)))
def test_any_text_changes_named_arguments_only_or_is_refused(assignments: dict[str, str]) -> None:
    try:
        merged = merge_arguments(request_with_arguments(), assignments, SCHEMA)
    except InvalidAnswer:
        return
    assert merged.keys() == ARGUMENTS.keys() | assignments.keys()
    assert all(merged[name] == value for name, value in ARGUMENTS.items() if name not in assignments)
