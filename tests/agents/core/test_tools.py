"""Tests of tools made from annotated functions."""

from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from agents.core.errors import InvalidArguments
from agents.core.policy import ApprovalTerms
from agents.core.tools import ToolContext, ToolResult, tool


@tool(effect="once", risk="high", ask=ApprovalTerms(roles=("release",)), timeout=5, version=3)
def push(
    context: ToolContext,
    where: Literal["staging", "production"],
    count: Annotated[int, Field(ge=1, le=9)] = 1,
    ratio: float = 1.0,
    notes: list[str] | None = None,
    force: bool = False,
) -> ToolResult:
    """Push somewhere.

    More than once.
    """
    return ToolResult(summary=f"{context.key}: {where} {count}")


def test_tool_is_described_by_its_function() -> None:
    assert (push.name, push.description) == ("push", "Push somewhere.\n\nMore than once.")
    assert (push.defaults.effect, push.defaults.risk, push.defaults.ask) == (
        "once",
        "high",
        ApprovalTerms(roles=("release",)),
    )
    assert (push.timeout, push.version, push.prepare, push.check) == (5, 3, None, None)


def test_context_is_not_an_argument() -> None:
    assert list(push.arguments.model_fields) == ["where", "count", "ratio", "notes", "force"]


def test_tool_runs_with_the_context_and_named_arguments() -> None:
    assert (
        push.run(ToolContext(key="k", environment={}), **push.validate_arguments({"where": "staging"})).summary
        == "k: staging 1"
    )


def test_tool_without_approval_terms_has_no_approver() -> None:
    @tool(effect="once", risk="high")
    def without_terms(context: ToolContext) -> ToolResult:
        return ToolResult(summary="")

    assert without_terms.defaults.ask == ApprovalTerms()
    assert (without_terms.description, without_terms.version, without_terms.defaults.risk) == ("", 1, "high")


def test_verifiable_tool_needs_a_check() -> None:
    with pytest.raises(TypeError, match="needs a check that returns whether it happened"):
        tool(effect="verifiable")


def test_repr_of_the_context_hides_the_environment() -> None:
    assert "hunter2" not in repr(ToolContext(key="k", environment={"TOKEN": "hunter2"}))


def test_defaults_are_filled_in() -> None:
    assert push.validate_arguments({"where": "staging"}) == {
        "where": "staging",
        "count": 1,
        "ratio": 1.0,
        "notes": None,
        "force": False,
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "push: where: Field required"),
        ({"where": "mars"}, "push: where: Input should be 'staging' or 'production'"),
        ({"where": "staging", "count": "2"}, "push: count: Input should be a valid integer"),
        ({"where": "staging", "count": 5.5}, "push: count: Input should be a valid integer"),
        ({"where": "staging", "count": True}, "push: count: Input should be a valid integer"),
        ({"where": "staging", "count": 10}, "push: count: Input should be less than or equal to 9"),
        ({"where": "staging", "count": None}, "push: count: Input should be a valid integer"),
        ({"where": "staging", "force": 1}, "push: force: Input should be a valid boolean"),
        ({"where": "staging", "force": "yes"}, "push: force: Input should be a valid boolean"),
        ({"where": "staging", "notes": ["a", 1]}, "push: notes.1: Input should be a valid string"),
        ({"where": "staging", "when": "now"}, "push: when: Extra inputs are not permitted"),
        ({"where": "staging", "context": {}}, "push: context: Extra inputs are not permitted"),
    ],
    ids=str,
)
def test_invalid_arguments_are_rejected_with_their_path(arguments, message) -> None:
    with pytest.raises(InvalidArguments) as error_info:
        push.validate_arguments(arguments)
    assert str(error_info.value) == message


def test_error_does_not_repeat_the_value() -> None:
    with pytest.raises(InvalidArguments) as error_info:
        push.validate_arguments({"where": "secret-environment"})
    assert "secret" not in str(error_info.value)


any_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.characters() | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(
    st.dictionaries(st.text(max_size=5), any_values, max_size=2),
    st.dictionaries(st.sampled_from(["where", "count", "ratio", "notes", "force"]), any_values),
)
def test_any_arguments_become_json_or_are_rejected(extra: dict[str, Any], known: dict[str, Any]) -> None:
    try:
        valid = push.validate_arguments({"where": "staging", **extra, **known})
    except InvalidArguments:
        return
    assert push.validate_arguments(valid) == valid


@pytest.mark.parametrize(
    "value",
    [10**5000, float("nan"), float("inf"), "\ud800", b"bytes", object()],
    ids=["5000 digits", "nan", "infinity", "half a pair", "bytes", "object"],
)
@pytest.mark.parametrize("name", ["count", "ratio", "notes", "other"])
def test_arguments_outside_json_are_rejected(name: str, value: Any) -> None:
    with pytest.raises(InvalidArguments):
        push.validate_arguments({"where": "staging", name: value})
