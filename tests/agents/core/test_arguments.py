"""Tests of tool arguments: typed objects for the function, canonical JSON for the log and the digest."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from agents.core.canonical_json import compute_digest
from agents.core.errors import InvalidArguments
from agents.core.event_truncation import MAX_TEXT_BYTES
from agents.core.tools import ToolContext, ToolResult, tool
from agents.llm.output_schema import strict_schema


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Window(BaseModel):
    hours: int
    since: datetime


@tool(effect="read")
def plan(  # noqa: PLR0917 - one of each type
    context: ToolContext,
    count: int = 1,
    ratio: float = 1.0,
    at: datetime = datetime(2026, 1, 1, tzinfo=UTC),
    day: date | None = None,
    price: Decimal = Decimal("1.50"),
    colour: Colour = Colour.RED,
    level: Level = Level.LOW,
    kind: Literal[1, "all"] = "all",
    windows: list[Window] = [],  # noqa: B006 - pydantic copies it
    note: str = None,  # type: ignore[assignment]  # noqa: RUF013 - tool authors write this
) -> ToolResult:
    """Plan."""
    return ToolResult(summary="")


WINDOW = {"hours": 2, "since": "2026-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("name", "value", "typed_value", "json_value"),
    [
        ("count", 5, 5, 5),
        ("count", 5.0, 5, 5),
        ("ratio", 5, 5.0, 5.0),
        ("ratio", 1e300, 1e300, 1e300),
        ("at", "2026-01-01T02:00:00+02:00", datetime(2026, 1, 1, tzinfo=UTC), "2026-01-01T02:00:00+02:00"),
        ("at", datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC), "2026-01-01T00:00:00Z"),
        ("day", "2026-02-03", date(2026, 2, 3), "2026-02-03"),
        ("day", None, None, None),
        ("price", "2.50", Decimal("2.50"), "2.50"),
        ("price", 5.0, Decimal(5), "5"),
        ("price", Decimal("0.1"), Decimal("0.1"), "0.1"),
        ("colour", "blue", Colour.BLUE, "blue"),
        ("colour", Colour.BLUE, Colour.BLUE, "blue"),
        ("level", 2.0, Level.HIGH, 2),
        ("kind", 1.0, 1, 1),
        ("windows", [WINDOW | {"hours": 2.0}], [Window(hours=2, since=datetime(2026, 1, 1, tzinfo=UTC))], [WINDOW]),
        ("windows", [Window(hours=2, since=datetime(2026, 1, 1, tzinfo=UTC))], None, [WINDOW]),
        ("note", None, None, None),
    ],
)
def test_function_gets_annotated_types_and_log_gets_json(
    name: str, value: Any, typed_value: Any, json_value: Any
) -> None:
    valid = plan.validate_arguments({name: value})
    assert (type(valid[name]), valid[name]) == (type(json_value), json_value)
    typed = plan.to_typed_arguments(valid)[name]
    if typed_value is not None:
        assert (type(typed), typed) == (type(typed_value), typed_value)
    assert plan.validate_arguments(plan.to_typed_arguments(valid)) == plan.validate_arguments(valid) == valid


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("count", 5.5),
        ("count", True),
        ("count", "5"),
        ("count", 1e300),
        ("ratio", True),
        ("price", True),
        ("at", 1767225600),
        ("at", "tomorrow"),
        ("day", 5),
        ("level", True),
        ("kind", True),
        ("windows", [WINDOW | {"hours": True}]),
        ("windows", [WINDOW | {"hours": "2"}]),
        ("windows", [WINDOW | {"hours": 2.5}]),
    ],
)
def test_booleans_numbers_and_texts_are_not_converted(name: str, value: Any) -> None:
    with pytest.raises(InvalidArguments, match=f"plan: {name}"):
        plan.validate_arguments({name: value})


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "count": st.integers(-(2**53), 2**53),
            "ratio": st.floats(allow_nan=False, allow_infinity=False),
            "at": st.datetimes(timezones=st.just(UTC)),
            "day": st.dates(),
            "price": st.decimals(allow_nan=False, allow_infinity=False),
            "colour": st.sampled_from(Colour),
            "level": st.sampled_from(Level),
            "windows": st.lists(st.builds(Window, hours=st.integers(-9, 9), since=st.datetimes()), max_size=2),
        },
    )
)
def test_canonical_arguments_are_stable(objects: dict[str, Any]) -> None:
    valid = plan.validate_arguments(objects)
    assert plan.validate_arguments(json.loads(json.dumps(valid))) == valid
    assert plan.validate_arguments(plan.to_typed_arguments(valid)) == valid
    assert {name: plan.to_typed_arguments(valid)[name] for name in objects} == objects


@given(st.integers(-(2**53) + 1, 2**53 - 1))
def test_5_and_5_point_0_have_the_same_digest(number: int) -> None:
    integer, decimal = plan.validate_arguments({"count": number}), plan.validate_arguments({"count": float(number)})
    assert compute_digest(arguments=integer) == compute_digest(arguments=decimal)
    assert json.dumps(integer) == json.dumps(decimal)


def test_schema_uses_types_that_a_model_can_write() -> None:
    properties = strict_schema(plan.arguments)["properties"]
    assert [kind["type"] for kind in properties["price"]["anyOf"]] == ["string", "null"]
    assert properties["at"]["anyOf"][0]["format"] == "date-time"
    assert properties["day"]["anyOf"][0]["format"] == "date"
    assert properties["colour"]["anyOf"][0]["enum"] == ["red", "blue"]
    assert properties["windows"]["anyOf"][0]["items"]["properties"]["since"]["format"] == "date-time"


def test_too_large_arguments_are_rejected_not_truncated() -> None:
    @tool(effect="read")
    def note(context: ToolContext, text: str) -> ToolResult:
        """Note."""
        return ToolResult(summary="")

    assert note.validate_arguments({"text": "x" * (MAX_TEXT_BYTES - 50)})
    with pytest.raises(InvalidArguments, match="note: these arguments have 64012 bytes; send at most 64000"):
        note.validate_arguments({"text": "x" * MAX_TEXT_BYTES})
