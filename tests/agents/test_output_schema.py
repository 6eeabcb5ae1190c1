"""The schema a model answers in keeps to the strict dialect, whatever the tools of an agent look like."""

import json
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, RootModel, create_model

from agents.errors import ConfigurationError
from agents.output_schema import MAX_ENUM_VALUES, MAX_LEVELS, MAX_PROPERTIES, output_schema, strict_schema
from agents.registry import AGENTS
from agents.tools import Tool, ToolContext, ToolResult, tool
from tests.fakes.openai_schema_rules import schema_violations


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


def of(**fields: Any) -> dict[str, Any]:
    """The strict schema of a model with these fields."""
    return strict_schema(create_model("Arguments", **fields))


def made(name: str, **fields: Any) -> Tool:
    """A tool of this name with these arguments."""

    @tool(effect="read")
    def template(context: ToolContext) -> ToolResult:
        """Do nothing."""
        return ToolResult(summary=context.key)

    arguments = create_model(f"{name}_arguments", **fields)
    described = {key: getattr(template, key) for key in ("description", "run", "defaults", "prepare", "check")}
    return Tool(name=name, arguments=arguments, timeout=1.0, version=1, **described)


@pytest.mark.parametrize("agent", AGENTS, ids=lambda agent: agent.name)
def test_the_schema_of_every_agent_we_ship_keeps_the_strict_rules(agent: Any) -> None:
    assert schema_violations(output_schema(agent.tools, agent.delegates)) == []


def test_an_answer_is_reasoning_and_then_one_step() -> None:
    schema = output_schema(())

    assert list(schema["properties"]) == ["reasoning", "step"]
    assert schema["required"] == ["reasoning", "step"]


def test_every_step_names_its_intent_first() -> None:
    variants = output_schema((made("look", where=(str, ...)),))["properties"]["step"]["anyOf"]

    intents = [next(iter(variant["properties"].items())) for variant in variants]

    assert [name for name, _ in intents] == ["intent"] * 5
    assert [value["enum"] for _, value in intents] == [
        ["look"],
        ["request_human_input"],
        ["done_for_now"],
        ["nothing_to_do"],
        ["await"],
    ]


def test_who_may_ask_other_agents_can_name_exactly_those() -> None:
    schema = output_schema((made("look"),), ("deploy", "oncall"))

    asking = schema["properties"]["step"]["anyOf"][-1]

    assert asking["properties"] == {
        "intent": {"type": "string", "enum": ["ask_agent"]},
        "agent": {"type": "string", "enum": ["deploy", "oncall"]},
        "message": {"type": "string"},
    }
    assert schema_violations(schema) == []


def test_who_may_ask_nobody_is_not_offered_to() -> None:
    assert "ask_agent" not in json.dumps(output_schema((made("look"),)))


def test_the_arguments_of_a_tool_lie_beside_its_intent() -> None:
    variant = output_schema((made("look", where=(str, ...)),))["properties"]["step"]["anyOf"][0]

    assert variant["properties"]["where"] == {"type": "string"}
    assert variant["required"] == ["intent", "where"]


def test_the_schema_is_the_same_each_time_and_made_once() -> None:
    tools = AGENTS[0].tools

    assert output_schema(tools) is output_schema(tools)
    assert json.dumps(output_schema.__wrapped__(tools)) == json.dumps(output_schema(tools))


def test_an_optional_value_is_required_and_may_be_null_and_its_default_is_told() -> None:
    schema = of(limit=(Annotated[int, Field(description="how many")], 10))

    assert schema["required"] == ["limit"]
    assert schema["properties"]["limit"] == {
        "description": "how many (null means 10)",
        "anyOf": [{"type": "integer"}, {"type": "null"}],
    }


def test_a_value_that_may_be_none_already_is_not_made_nullable_twice() -> None:
    assert of(at=(str | None, None))["properties"]["at"] == {"anyOf": [{"type": "string"}, {"type": "null"}]}


def test_a_required_value_that_may_be_none_stays_so() -> None:
    assert of(at=(str | None, ...))["properties"]["at"] == {"anyOf": [{"type": "string"}, {"type": "null"}]}


def test_a_choice_between_models_is_any_of_them_without_a_discriminator() -> None:
    schema = of(pet=(Annotated[Cat | Dog, Field(discriminator="kind")], ...))

    assert list(schema["properties"]["pet"]) == ["anyOf"]
    assert schema_violations(schema) == []


def test_models_used_twice_are_written_out_twice_and_leave_no_reference() -> None:
    schema = of(first=(Cat, ...), others=(list[Cat], ...))

    assert "$" not in json.dumps(schema)
    assert schema["properties"]["others"]["items"] == schema["properties"]["first"]


def test_a_description_beside_a_reference_is_kept() -> None:
    schema = of(colour=(Annotated[Colour, Field(description="of the door")], ...))

    assert schema["properties"]["colour"] == {"description": "of the door", "type": "string", "enum": ["red", "blue"]}


def test_bounds_are_told_in_words_and_left_to_validation() -> None:
    schema = of(
        count=(Annotated[int, Field(ge=1, le=9)], ...),
        word=(Annotated[str, Field(min_length=2, max_length=9, pattern="^a")], ...),
        names=(Annotated[set[str], Field(min_length=1, description="of people")], ...),
        pause=(Annotated[float, Field(gt=0, multiple_of=0.5)], 1.0),
    )

    assert schema["properties"] == {
        "count": {"type": "integer", "description": "(at least 1, at most 9)"},
        "word": {"type": "string", "pattern": "^a", "description": "(2 or more characters, 9 or fewer characters)"},
        "names": {"type": "array", "items": {"type": "string"}, "description": "of people (1 or more items)"},
        "pause": {
            "description": "(more than 0, a multiple of 0.5) (null means 1.0)",
            "anyOf": [{"type": "number"}, {"type": "null"}],
        },
    }


def test_one_allowed_value_is_a_choice_of_one() -> None:
    assert of(kind=(Literal["cat"], ...))["properties"]["kind"] == {"type": "string", "enum": ["cat"]}


def test_no_schema_holds_a_keyword_that_some_provider_refuses() -> None:
    schema = json.dumps(output_schema((made("look", depth=(Annotated[int, Field(ge=0, lt=9)], 1)),), ("deploy",)))

    for keyword in ("minimum", "maximum", "exclusiveMaximum", "minItems", "const"):
        assert f'"{keyword}"' not in schema


def test_formats_a_strict_server_knows_are_kept() -> None:
    schema = of(at=(datetime, ...), key=(Annotated[str, Field(json_schema_extra={"format": "password"})], ...))

    assert schema["properties"] == {"at": {"type": "string", "format": "date-time"}, "key": {"type": "string"}}


def test_a_pattern_that_looks_around_is_left_to_our_own_validation() -> None:
    schema = of(word=(Annotated[str, Field(json_schema_extra={"pattern": "^(?!no)"})], ...))

    assert schema["properties"]["word"] == {"type": "string"}


def test_a_model_that_takes_any_extra_key_is_refused() -> None:
    class Loose(BaseModel):
        model_config = ConfigDict(extra="allow")

    with pytest.raises(ConfigurationError, match="Loose: an object with any keys"):
        strict_schema(Loose)


@pytest.mark.parametrize(
    ("annotation", "why"),
    [
        (dict[str, int], "an object with any keys"),
        (dict, "an object with any keys"),
        (Any, "give it a type"),
        (list, "give it a type"),
        (tuple[int, str], "prefixItems"),
        (Node, "Node contains itself"),
    ],
)
def test_what_strict_mode_cannot_say_is_refused_with_its_place(annotation: Any, why: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"Arguments\.odd.*{why}"):
        of(odd=(annotation, ...))


@pytest.mark.parametrize("root", [Cat | Dog, list[Cat], str])
def test_a_root_that_is_no_object_is_refused(root: Any) -> None:
    with pytest.raises(ConfigurationError, match="the top-level value must be an object"):
        strict_schema(RootModel[root])


def test_one_level_too_many_is_refused() -> None:
    nested: Any = str
    for _ in range(MAX_LEVELS - 1):
        nested = list[nested]
    of(deep=(nested, ...))

    with pytest.raises(ConfigurationError, match="more than 5 levels"):
        of(deep=(list[nested], ...))


def test_one_property_too_many_is_refused() -> None:
    fields: dict[str, Any] = {f"field_{n}": (str, ...) for n in range(MAX_PROPERTIES)}
    of(**fields)

    with pytest.raises(ConfigurationError, match="more than 100 properties"):
        of(**fields, one_more=(str, ...))


def test_one_choice_too_many_is_refused() -> None:
    choices = tuple(f"choice {n}" for n in range(MAX_ENUM_VALUES))
    of(pick=(Literal[choices], ...))

    with pytest.raises(ConfigurationError, match="more than 250 choices"):
        of(pick=(Literal[(*choices, "one more")], ...))


def test_the_limits_hold_for_all_tools_of_an_agent_together() -> None:
    tools = tuple(made(f"tool_{n}", **{f"field_{m}": (str, ...) for m in range(10)}) for n in range(10))

    with pytest.raises(ConfigurationError, match="all tools together: more than 100 properties"):
        output_schema(tools)


@pytest.mark.parametrize("name", ["done_for_now", "await", "request_clarification", "ask_agent"])
def test_a_tool_cannot_take_the_name_of_a_step(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{name}: this name is already used"):
        output_schema((made(name),))


def test_two_tools_cannot_have_one_name() -> None:
    with pytest.raises(ConfigurationError, match="look: this name is already used"):
        output_schema((made("look"), made("look", where=(str, ...))))


def test_an_argument_cannot_be_called_intent() -> None:
    with pytest.raises(ConfigurationError, match="look: an argument cannot be named intent"):
        output_schema((made("look", intent=(str, ...)),))
