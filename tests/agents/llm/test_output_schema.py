"""Tests of the output schema: it conforms to strict mode for all tools, or is rejected."""

import json
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, RootModel, create_model

from agents.core.errors import ConfigurationError
from agents.core.tools import Tool, ToolContext, ToolResult, tool
from agents.llm.output_schema import MAX_ENUM_VALUES, MAX_LEVELS, MAX_PROPERTIES, output_schema, strict_schema
from agents.registry import load_registry
from tests.fakes.openai_schema_rules import schema_violations

AGENTS = load_registry().agents


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Cat(BaseModel):
    kind: Literal["cat"] = "cat"
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"] = "dog"
    name: str


class Node(BaseModel):
    below: list["Node"] = []


def strict_schema_for(**fields: Any) -> dict[str, Any]:
    """Return the strict schema of a model with these fields."""
    return strict_schema(create_model("Arguments", **fields))


def make_tool(name: str, **fields: Any) -> Tool:
    """Return a tool with this name and these arguments."""

    @tool(effect="read")
    def template(context: ToolContext) -> ToolResult:
        """Do nothing."""
        return ToolResult(summary=context.key)

    arguments = create_model(f"{name}_arguments", **fields)
    described = {key: getattr(template, key) for key in ("description", "run", "defaults", "prepare", "check")}
    return Tool(name=name, arguments=arguments, timeout=1.0, version=1, **described)


@pytest.mark.parametrize("agent", AGENTS, ids=lambda agent: agent.name)
def test_schemas_of_shipped_agents_are_strict(agent: Any) -> None:
    assert schema_violations(output_schema(agent.tools, agent.asks)) == []


def test_answer_has_reasoning_and_then_one_step() -> None:
    schema = output_schema(())

    assert list(schema["properties"]) == ["reasoning", "step"]
    assert schema["required"] == ["reasoning", "step"]


def test_every_step_has_its_intent_first() -> None:
    variants = output_schema((make_tool("look", where=(str, ...)),))["properties"]["step"]["anyOf"]

    intents = [next(iter(variant["properties"].items())) for variant in variants]

    assert [name for name, _ in intents] == ["intent"] * 5
    assert [value["enum"] for _, value in intents] == [
        ["look"],
        ["request_human_input"],
        ["done_for_now"],
        ["nothing_to_do"],
        ["await"],
    ]


def test_ask_agent_accepts_only_the_delegates() -> None:
    schema = output_schema((make_tool("look"),), ("deploy", "oncall"))

    asking = schema["properties"]["step"]["anyOf"][-1]

    assert asking["properties"] == {
        "intent": {"type": "string", "enum": ["ask_agent"]},
        "agent": {"type": "string", "enum": ["deploy", "oncall"]},
        "message": {"type": "string"},
    }
    assert schema_violations(schema) == []


def test_agent_without_delegates_has_no_ask_agent_step() -> None:
    assert "ask_agent" not in json.dumps(output_schema((make_tool("look"),)))


def test_tool_arguments_are_beside_the_intent() -> None:
    variant = output_schema((make_tool("look", where=(str, ...)),))["properties"]["step"]["anyOf"][0]

    assert variant["properties"]["where"] == {"type": "string"}
    assert variant["required"] == ["intent", "where"]


def test_schema_is_deterministic_and_cached() -> None:
    tools = AGENTS[0].tools

    assert output_schema(tools) is output_schema(tools)
    assert json.dumps(output_schema.__wrapped__(tools)) == json.dumps(output_schema(tools))


def test_optional_value_is_nullable_with_its_default_described() -> None:
    schema = strict_schema_for(limit=(Annotated[int, Field(description="how many")], 10))

    assert schema["required"] == ["limit"]
    assert schema["properties"]["limit"] == {
        "description": "how many (null means 10)",
        "anyOf": [{"type": "integer"}, {"type": "null"}],
    }


def test_nullable_value_is_not_made_nullable_twice() -> None:
    assert strict_schema_for(at=(str | None, None))["properties"]["at"] == {
        "anyOf": [{"type": "string"}, {"type": "null"}]
    }


def test_required_nullable_value_stays_nullable() -> None:
    assert strict_schema_for(at=(str | None, ...))["properties"]["at"] == {
        "anyOf": [{"type": "string"}, {"type": "null"}]
    }


def test_union_is_any_of_without_a_discriminator() -> None:
    schema = strict_schema_for(pet=(Annotated[Cat | Dog, Field(discriminator="kind")], ...))

    assert list(schema["properties"]["pet"]) == ["anyOf"]
    assert schema_violations(schema) == []


def test_references_are_inlined() -> None:
    schema = strict_schema_for(first=(Cat, ...), others=(list[Cat], ...))

    assert "$" not in json.dumps(schema)
    assert schema["properties"]["others"]["items"] == schema["properties"]["first"]


def test_description_beside_a_reference_is_kept() -> None:
    schema = strict_schema_for(colour=(Annotated[Colour, Field(description="of the door")], ...))

    assert schema["properties"]["colour"] == {
        "description": "of the door",
        "type": "string",
        "enum": ["red", "blue"],
    }


def test_bounds_move_to_the_description() -> None:
    schema = strict_schema_for(
        count=(Annotated[int, Field(ge=1, le=9)], ...),
        word=(Annotated[str, Field(min_length=2, max_length=9, pattern="^a")], ...),
        names=(Annotated[set[str], Field(min_length=1, description="of people")], ...),
        pause=(Annotated[float, Field(gt=0, multiple_of=0.5)], 1.0),
    )

    assert schema["properties"] == {
        "count": {"type": "integer", "description": "(at least 1, at most 9)"},
        "word": {"type": "string", "pattern": "^a", "description": "(2 or more characters, 9 or fewer characters)"},
        "names": {
            "type": "array",
            "items": {"type": "string"},
            "description": "of people (1 or more items)",
        },
        "pause": {
            "description": "(more than 0, a multiple of 0.5) (null means 1.0)",
            "anyOf": [{"type": "number"}, {"type": "null"}],
        },
    }


def test_const_becomes_an_enum_of_one() -> None:
    assert strict_schema_for(kind=(Literal["cat"], ...))["properties"]["kind"] == {"type": "string", "enum": ["cat"]}


def test_schemas_have_no_unsupported_keywords() -> None:
    schema = json.dumps(output_schema((make_tool("look", depth=(Annotated[int, Field(ge=0, lt=9)], 1)),), ("deploy",)))

    for keyword in ("minimum", "maximum", "exclusiveMaximum", "minItems", "const"):
        assert f'"{keyword}"' not in schema


def test_supported_formats_are_kept() -> None:
    schema = strict_schema_for(
        at=(datetime, ...), key=(Annotated[str, Field(json_schema_extra={"format": "password"})], ...)
    )

    assert schema["properties"] == {"at": {"type": "string", "format": "date-time"}, "key": {"type": "string"}}


def test_lookaround_patterns_are_left_out() -> None:
    schema = strict_schema_for(word=(Annotated[str, Field(json_schema_extra={"pattern": "^(?!no)"})], ...))

    assert schema["properties"]["word"] == {"type": "string"}


def test_model_with_extra_keys_is_rejected() -> None:
    class Loose(BaseModel):
        model_config = ConfigDict(extra="allow")

    with pytest.raises(ConfigurationError, match="Loose: an object with any keys"):
        strict_schema(Loose)


@pytest.mark.parametrize(
    ("annotation", "reason"),
    [
        (dict[str, int], "an object with any keys"),
        (dict, "an object with any keys"),
        (Any, "give it a type"),
        (list, "give it a type"),
        (tuple[int, str], "prefixItems"),
        (Node, "Node contains itself"),
    ],
)
def test_unsupported_type_is_rejected_with_its_path(annotation: Any, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"Arguments\.odd.*{reason}"):
        strict_schema_for(odd=(annotation, ...))


@pytest.mark.parametrize("root", [Cat | Dog, list[Cat], str])
def test_root_that_is_not_an_object_is_rejected(root: Any) -> None:
    with pytest.raises(ConfigurationError, match="the top-level value must be an object"):
        strict_schema(RootModel[root])


def test_too_many_levels_are_rejected() -> None:
    nested: Any = str
    for _ in range(MAX_LEVELS - 1):
        nested = list[nested]
    strict_schema_for(deep=(nested, ...))

    with pytest.raises(ConfigurationError, match="more than 5 levels"):
        strict_schema_for(deep=(list[nested], ...))


def test_too_many_properties_are_rejected() -> None:
    fields: dict[str, Any] = {f"field_{n}": (str, ...) for n in range(MAX_PROPERTIES)}
    strict_schema_for(**fields)

    with pytest.raises(ConfigurationError, match="more than 100 properties"):
        strict_schema_for(**fields, one_more=(str, ...))


def test_too_many_enum_values_are_rejected() -> None:
    choices = tuple(f"choice {n}" for n in range(MAX_ENUM_VALUES))
    strict_schema_for(pick=(Literal[choices], ...))

    with pytest.raises(ConfigurationError, match="more than 250 choices"):
        strict_schema_for(pick=(Literal[(*choices, "one more")], ...))


def test_limits_apply_to_all_tools_together() -> None:
    tools = tuple(make_tool(f"tool_{n}", **{f"field_{m}": (str, ...) for m in range(10)}) for n in range(10))

    with pytest.raises(ConfigurationError, match="all tools together: more than 100 properties"):
        output_schema(tools)


@pytest.mark.parametrize(
    "name", ["done_for_now", "await", pytest.param("request_clarification", id="legacy intent"), "ask_agent"]
)
def test_tool_cannot_have_the_name_of_a_step(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{name}: this name is already used"):
        output_schema((make_tool(name),))


def test_two_tools_cannot_have_the_same_name() -> None:
    with pytest.raises(ConfigurationError, match="look: this name is already used"):
        output_schema((make_tool("look"), make_tool("look", where=(str, ...))))


def test_argument_cannot_be_named_intent() -> None:
    with pytest.raises(ConfigurationError, match="look: an argument cannot be named intent"):
        output_schema((make_tool("look", intent=(str, ...)),))
