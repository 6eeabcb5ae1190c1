"""Digests cover all of the shown content and do not depend on how it is written."""

from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.core.canonical_json import call_digest, compute_digest, question_digest
from agents.core.errors import InvalidArguments

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
arguments = st.dictionaries(st.text(max_size=5), json_values, max_size=3)

CALL: dict[str, Any] = {
    "thread_id": "thr_1",
    "call_id": "call_1",
    "tool": "push",
    "version": 1,
    "arguments": {"where": "staging", "n": 1},
}


@pytest.mark.parametrize(
    "changed",
    [
        {"thread_id": "thr_2"},
        {"call_id": "call_2"},
        {"tool": "ship"},
        {"version": 2},
        {"arguments": {"where": "production", "n": 1}},
        {"arguments": {"where": "staging", "n": "1"}},
        {"arguments": {"where": "staging", "n": True}},
        {"arguments": {"where": "staging", "n": 1, "force": None}},
        {"arguments": {"where": "staging"}},
        {"arguments": {"where": "staging ", "n": 1}},
        {"arguments": {}},
    ],
    ids=str,
)
def test_any_change_of_a_call_changes_its_digest(changed: dict[str, Any]) -> None:
    assert call_digest(**(CALL | changed)) != call_digest(**CALL)


def test_order_of_arguments_does_not_change_the_digest() -> None:
    reordered = CALL | {"arguments": {"n": 1, "where": "staging"}}
    assert call_digest(**reordered) == call_digest(**CALL)


def test_digest_is_stable_across_versions() -> None:
    canonical_json = (
        '{"arguments":{"n":1,"where":"staging"},"call":"call_1","thread":"thr_1","tool":"push","version":1}'
    )
    assert call_digest(**CALL) == sha256(canonical_json.encode()).hexdigest()


@pytest.mark.parametrize(
    ("thread_id", "question", "choices"),
    [
        ("thr_2", "Where to?", ("here", "there")),
        ("thr_1", "Where from?", ("here", "there")),
        ("thr_1", "Where to?", ("there", "here")),
        ("thr_1", "Where to?", ("here",)),
        ("thr_1", "Where to?", ()),
        ("thr_1", "Where to?", ("here, there",)),
        ("thr_1", "Where to?", ("hereth", "ere")),
    ],
)
def test_question_digest_covers_question_and_choices(thread_id: str, question: str, choices) -> None:
    assert question_digest(thread_id, question, choices) != question_digest("thr_1", "Where to?", ("here", "there"))


def test_question_and_call_digests_differ() -> None:
    assert question_digest("thr_1", "push", ()) != call_digest("thr_1", "push", "push", 1, {})


@given(arguments, arguments)
def test_equal_digests_mean_equal_json_arguments(one, other) -> None:
    same = compute_digest(value=one) == compute_digest(value=other)
    assert same == (to_json_equality(one) == to_json_equality(other))


@given(arguments)
def test_digest_has_64_hexadecimal_digits(given_arguments) -> None:
    digest = call_digest("thr_1", "call_1", "push", 1, given_arguments)
    assert len(digest) == 64
    assert set(digest) <= set("0123456789abcdef")


DEEP_LIST: list[Any] = []
for _ in range(100_000):
    DEEP_LIST = [DEEP_LIST]


@pytest.mark.parametrize(
    "value",
    [2**53, -(2**53), 10**400, float("nan"), float("inf"), "\ud800", b"bytes", {1: 2}, object(), DEEP_LIST],
    ids=["2^53", "-2^53", "10^400", "nan", "infinity", "half a pair", "bytes", "number as key", "object", "too deep"],
)
def test_values_without_exact_json_form_are_rejected(value: Any) -> None:
    with pytest.raises(InvalidArguments, match="cannot be represented exactly in JSON"):
        call_digest("thr_1", "call_1", "push", 1, {"value": value})


def to_json_equality(value: Any) -> Any:
    """Return a value with JSON's equality: one kind of number, no negative zero, booleans are not numbers."""
    match value:
        case bool() | None | str():
            return (type(value).__name__, value)
        case int() | float():
            return ("number", float(value) + 0.0)
        case list():
            return [to_json_equality(item) for item in value]
        case _:
            return {name: to_json_equality(item) for name, item in value.items()}
