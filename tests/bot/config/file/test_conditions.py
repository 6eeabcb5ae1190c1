"""Tests that conditions which can never match are refused, because a `deny` with one would have no effect."""

from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field

from agents.core.errors import ConfigurationError, InvalidArguments, ToolError
from agents.core.policy import Rule, evaluate
from agents.core.tools import RuleValueCheck, Tool, ToolContext, ToolResult, tool
from agents.registry import load_registry
from bot.config.file.conditions import find_impossible_conditions
from bot.config.loader import load_configuration

ARGUMENT_MODELS = load_registry().argument_models

CONFIG_TEMPLATE = '[people.al]\nname = "Al"\n[[policy]]\ntool = "{tool}"\nwhen = {when}\ndeny = "no"\n'
IS_NORMALIZED = 'is normalized to "production"; write "production"'
CAN_NEVER_MATCH = "can never match a call of"

IMPOSSIBLE_CONDITIONS = [
    (
        "push_release_tag",
        '{ environment = "prod" }',
        f'environment: {CAN_NEVER_MATCH} push_release_tag: "prod" {IS_NORMALIZED}',
    ),
    (
        "push_release_tag",
        '{ enviroment = "production" }',
        'enviroment: can never match: push_release_tag has no such argument; did you mean "environment"?',
    ),
    (
        "push_release_tag",
        '{ environment = "Production" }',
        f'environment: {CAN_NEVER_MATCH} push_release_tag: "Production" {IS_NORMALIZED}',
    ),
    ("list_tags", '{ limit = "10" }', f'limit: {CAN_NEVER_MATCH} list_tags: must be a whole number (found "10")'),
    ("list_tags", "{ limit = 1.5 }", f"limit: {CAN_NEVER_MATCH} list_tags: must be a whole number (found 1.5)"),
    (
        "push_release_tag",
        "{ environment = true }",
        f"environment: {CAN_NEVER_MATCH} push_release_tag: must be text in quotes (found true)",
    ),
    (
        "roll_back",
        '{ environment = "productoin" }',
        f'environment: {CAN_NEVER_MATCH} roll_back: did you mean "production"? (found "productoin")',
    ),
    ("*", '{ env = "production" }', "env: can never match: no tool has this argument; there is"),
    ("*", '{ environment = "prod" }', f'environment: {CAN_NEVER_MATCH} current_release: "prod" {IS_NORMALIZED}'),
    ("*", '{ environment = "staging", limit = 3 }', "environment: can never match: no tool takes all of these values"),
    (
        "push_release_tag",
        '{ commit = "1a2b3c4d" }',
        f"commit: {CAN_NEVER_MATCH} push_release_tag: '1a2b3c4d' is not a full",
    ),
    (
        "extend_budget",
        '{ kind = "stps" }',
        f'kind: {CAN_NEVER_MATCH} extend_budget: must be "steps", "tokens", "usd" or',
    ),
    ("extend_budget", "{ by = -1 }", f"by: {CAN_NEVER_MATCH} extend_budget: must be more than 0.0 (found -1)"),
    ("extend_budget", "{ by = nan }", "by: must be compared with a text, a number, true or false"),
]


@pytest.mark.parametrize(
    ("tool_name", "when", "reason"),
    IMPOSSIBLE_CONDITIONS,
    ids=[f"{tool_name} {when}" for tool_name, when, _ in IMPOSSIBLE_CONDITIONS],
)
def test_refuses_condition_that_can_never_match(tmp_path, tool_name: str, when: str, reason: str) -> None:
    file = tmp_path / "handrail.toml"
    file.write_text(CONFIG_TEMPLATE.format(tool=tool_name, when=when))
    with pytest.raises(ConfigurationError) as refused:
        load_configuration(file, tools=ARGUMENT_MODELS, agents=())
    assert f"{file}:5: policy[0].when.{reason}" in str(refused.value)


@pytest.mark.parametrize(
    ("tool_name", "when"),
    [
        ("push_release_tag", '{ environment = "production" }'),
        ("current_release", '{ environment = "all" }'),
        ("list_tags", "{ limit = 10.0 }"),
        ("*", '{ environment = "staging" }'),
        ("*", '{ kind = "usd", by = 5 }'),
        ("push_release_tag", f'{{ commit = "{"a" * 40}", tag = "v1.4.0" }}'),
        ("roll_back", '{ commit = "" }'),
        ("*", "{}"),
    ],
)
def test_accepts_condition_that_a_call_can_match(tmp_path, tool_name: str, when: str) -> None:
    (tmp_path / "handrail.toml").write_text(CONFIG_TEMPLATE.format(tool=tool_name, when=when))
    assert load_configuration(tmp_path / "handrail.toml", tools=ARGUMENT_MODELS, agents=()).rules


# Random types and values. Covered: types, Literal and Enum, enum only in the schema, const, bounds, multipleOf,
# lengths, patterns, formats (dates), decimals, optional and union types, lists, nested models, defaults, and
# validators that normalize a value (idempotently) or refuse it.


class Level(Enum):
    LOW = "low"
    HIGH = "high"


class Place(BaseModel):
    name: str


def refuse_x(value: str) -> str:
    if value == "x":
        raise ValueError("not x")
    return value


def refuse_b(value: Any) -> None:
    if value == "b":
        raise ToolError("never b")


LowercaseText = Annotated[str, BeforeValidator(lambda value: value.lower() if isinstance(value, str) else value)]
TYPES: list[Any] = [
    str,
    int,
    float,
    bool,
    Literal["a", "b", 1],
    Level,
    Annotated[int, Field(ge=1, le=9)],
    Annotated[int, Field(multiple_of=3)],
    Annotated[float, Field(gt=0.5, lt=2)],
    Annotated[str, Field(min_length=2, max_length=3)],
    Annotated[str, Field(pattern=r"^v\d+$")],
    Annotated[str, AfterValidator(refuse_x)],
    Annotated[LowercaseText, Field(json_schema_extra={"enum": ["low", "high"]})],
    int | None,
    int | str,
    bool | Literal["a"],
    date,
    Decimal,
    list[str],
    Place,
]
TEXTS = st.sampled_from(["a", "b", "x", "low", "Low", "HIGH", "high", "v1", "V1", "v", "2024-01-01", "1", "1.50", ""])
SCALARS = TEXTS | st.integers(-3, 12) | st.sampled_from([0.5, 1.0, 1.5, 3.0, -1.0]) | st.booleans()
JSON = SCALARS | st.none() | st.lists(TEXTS, max_size=2) | st.fixed_dictionaries({"name": TEXTS})


def build_tool(annotation: Any, **default: Any) -> Tool:
    def probe(context: ToolContext, value: Any, other: int = 0) -> ToolResult:
        raise NotImplementedError

    probe.__annotations__["value"] = annotation
    if default:
        probe.__defaults__ = (default["default"], 0)
    return tool(effect="read")(probe)


def find_call_arguments(probe: Tool, value: Any) -> dict[str, Any] | None:
    """Return the arguments of a call with this value, or None if no valid call has it."""
    try:
        arguments = probe.validate_arguments({"value": value})
    except InvalidArguments:
        return None
    choices = probe.arguments.model_json_schema()["properties"]["value"].get("enum", [arguments["value"]])
    return arguments if arguments["value"] in choices else None


def matches(probe: Tool, condition: Any, arguments: dict[str, Any]) -> bool:
    rule = Rule(name="rule", tool="probe", when={"value": condition}, deny="no")
    decision = evaluate("probe", arguments, defaults=probe.defaults, rules=(rule,), is_trusted=True)
    return decision.rule == "rule"


@given(st.sampled_from(TYPES), SCALARS, st.lists(JSON, max_size=20))
def test_condition_is_accepted_exactly_if_a_call_matches(annotation: Any, condition: Any, values: list) -> None:
    probe = build_tool(annotation)
    impossible = find_impossible_conditions("probe", {"value": condition}, {"probe": probe.arguments})
    if not impossible:
        value = int(condition) if isinstance(condition, float) and condition.is_integer() else condition
        arguments = find_call_arguments(probe, value)
        assert arguments is not None
        assert matches(probe, condition, arguments)
        return
    for arguments in filter(None, (find_call_arguments(probe, value) for value in [*values, condition])):
        assert not matches(probe, condition, arguments)


@given(TEXTS)
def test_accepts_condition_on_the_default_value(default: str) -> None:
    probe = build_tool(Annotated[str, Field(max_length=1)], default=default)
    assert matches(probe, default, probe.validate_arguments({}))
    assert find_impossible_conditions("probe", {"value": default}, {"probe": probe.arguments}) == {}


def test_condition_check_of_the_tool_applies() -> None:
    probe = build_tool(Annotated[str, RuleValueCheck(refuse_b)])
    impossible = find_impossible_conditions("probe", {"value": "b"}, {"probe": probe.arguments})
    assert impossible == {"value": "can never match a call of probe: never b"}
