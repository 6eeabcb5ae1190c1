"""Tests of the parser of answers: a valid step, or a short error that does not repeat the answer."""

import json
from dataclasses import replace
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from agents.core.agent import Agent
from agents.core.errors import InvalidInput
from agents.core.steps import AskAgent, Await, CallTool, DoneForNow, NothingToDo, RequestHumanInput, Step
from agents.core.tools import ToolContext, ToolResult, tool
from agents.llm.output_parser import MAX_PROBLEM_LENGTH, parse_step, step_from_dict


class Until(BaseModel):
    kind: Literal["until"]
    hour: int
    minute: int = 30


class Always(BaseModel):
    kind: Literal["always"]
    note: str | None = "for ever"


@tool(effect="read")
def silence(
    context: ToolContext,
    alert: str,
    owner: str | None,
    window: Annotated[Until | Always, Field(discriminator="kind")],
    others: list[Until] = [],  # noqa: B006 - a tool's default; pydantic copies it
    weight: float = 1.0,
) -> ToolResult:
    """Silence an alert."""
    return ToolResult(summary=f"{context.key} {alert} {owner} {window} {others} {weight}")


AGENT = Agent(name="oncall", purpose="Looks after alerts.", instructions="Be kind.", tools=(silence,))
WINDOW = {"kind": "until", "hour": 7, "minute": 0}


def answer(step: Any, reasoning: Any = "because") -> str:
    return json.dumps({"reasoning": reasoning, "step": step})


def parse_only_step(intent: str, **fields: Any) -> Step:
    return parse_step(answer({"intent": intent, **fields}), AGENT)[1]


def answer_error(text: str, agent: Agent = AGENT) -> str:
    with pytest.raises(InvalidInput) as caught:
        parse_step(text, agent)
    return str(caught.value)


def step_error(**step: Any) -> str:
    return answer_error(answer(step))


def test_tool_call_with_valid_arguments_is_parsed() -> None:
    step = parse_only_step("silence", alert="disk", owner="bob", window=WINDOW, others=[WINDOW], weight=2)

    assert step == CallTool(
        tool="silence",
        arguments={"alert": "disk", "owner": "bob", "window": WINDOW, "others": [WINDOW], "weight": 2.0},
    )


def test_reasoning_is_returned() -> None:
    assert parse_step(answer({"intent": "nothing_to_do", "reason": "quiet"}, "all is well"), AGENT) == (
        "all is well",
        NothingToDo(reason="quiet"),
    )


@pytest.mark.parametrize("reasoning", [None, 7, ["thoughts"]])
def test_reasoning_that_is_not_a_text_is_ignored(reasoning: Any) -> None:
    assert parse_step(answer({"intent": "nothing_to_do", "reason": "quiet"}, reasoning), AGENT)[0] == ""


def test_every_built_in_step_is_parsed() -> None:
    assert parse_only_step("done_for_now", message="bye") == DoneForNow(message="bye")
    assert parse_only_step("await", seconds=60, reason="tea") == Await(seconds=60, reason="tea")
    assert parse_only_step(
        "request_human_input", question="which?", choices=["a", "b"], format="multiple_choice", urgency="high"
    ) == RequestHumanInput(question="which?", choices=("a", "b"), format="multiple_choice", urgency="high")


@pytest.mark.parametrize("name", ["request_more_information", "request_clarification"])
def test_legacy_question_intents_are_accepted(name: str) -> None:
    assert parse_only_step(name, message="which?") == RequestHumanInput(question="which?")
    assert parse_only_step(name, question="which?") == RequestHumanInput(question="which?")


def test_null_for_an_optional_step_field_is_the_default() -> None:
    step = parse_only_step("request_human_input", question="which?", choices=None, format=None, urgency=None)

    assert step == RequestHumanInput(question="which?")


def test_null_for_an_optional_argument_is_the_default() -> None:
    step = parse_only_step("silence", alert="disk", owner="bob", window=WINDOW, others=None, weight=None)

    assert isinstance(step, CallTool)
    assert step.arguments["others"] == []
    assert step.arguments["weight"] == 1.0


def test_null_for_a_nested_optional_value_is_the_default() -> None:
    until = {"kind": "until", "hour": 7, "minute": None}
    step = parse_only_step(
        "silence", alert="disk", owner="bob", window={"kind": "always", "note": None}, others=[until]
    )

    assert isinstance(step, CallTool)
    assert step.arguments["window"] == {"kind": "always", "note": "for ever"}
    assert step.arguments["others"] == [{"kind": "until", "hour": 7, "minute": 30}]


def test_null_for_a_required_nullable_argument_stays() -> None:
    step = parse_only_step("silence", alert="disk", owner=None, window=WINDOW)

    assert isinstance(step, CallTool)
    assert step.arguments["owner"] is None


def test_unknown_intent_error_lists_the_intents() -> None:
    assert step_error(intent="launch_missiles") == (
        "step.intent: unknown; choose one of: silence, request_human_input, done_for_now, nothing_to_do, await"
    )


DELEGATING_AGENT = replace(AGENT, asks=("deploy", "scout"))


def test_delegation_is_parsed() -> None:
    step = step_from_dict({"intent": "ask_agent", "agent": "deploy", "message": "what is deployed"}, DELEGATING_AGENT)

    assert step == AskAgent(agent="deploy", message="what is deployed")


@pytest.mark.parametrize(
    ("step_fields", "message"),
    [
        ({"agent": "oncall", "message": "hi"}, "step.agent: unknown; you may ask: deploy, scout"),
        ({"agent": "Deploy", "message": "hi"}, "step.agent: unknown; you may ask: deploy, scout"),
        ({"agent": "deploy", "message": " \n"}, "step.message: must not be empty"),
        ({"agent": "deploy"}, "step.message: missing: Field required"),
        ({"message": "hi"}, "step.agent: missing: Field required"),
        ({"agent": ["deploy"], "message": "hi"}, "step.agent: string_type: Input should be a valid string"),
    ],
)
def test_invalid_delegate_error_lists_the_delegates(step_fields: dict[str, Any], message: str) -> None:
    assert answer_error(answer({"intent": "ask_agent", **step_fields}), DELEGATING_AGENT) == message


def test_agent_without_delegates_has_no_ask_agent_step() -> None:
    message = step_error(intent="ask_agent", agent="deploy", message="hi")

    assert message.startswith("step.intent: unknown; choose one of: silence")
    assert "ask_agent" not in message
    assert answer_error(answer({"intent": "dig"}), DELEGATING_AGENT).endswith("await, ask_agent")


@pytest.mark.parametrize("intent", [None, 3, ["silence"], {"name": "silence"}])
def test_intent_that_is_not_a_text_is_unknown(intent: Any) -> None:
    assert step_error(intent=intent).startswith("step.intent: unknown; choose one of: silence")


def test_missing_intent_error_lists_the_intents() -> None:
    assert step_error(alert="disk").startswith("step.intent: unknown; choose one of: silence")


def test_invalid_argument_error_names_the_argument() -> None:
    message = step_error(intent="silence", alert="disk", owner=None, window={**WINDOW, "hour": "seven"})

    assert message == "silence: window.until.hour: Input should be a valid integer"


def test_invalid_field_error_has_path_type_and_reason() -> None:
    assert step_error(intent="await", seconds=0, reason="tea") == (
        "step.seconds: greater_than_equal: Input should be greater than or equal to 1"
    )


def test_unknown_field_is_reported() -> None:
    assert "step.mood: extra_forbidden" in step_error(intent="done_for_now", message="bye", mood="blue")


@pytest.mark.parametrize(
    "step", [{"intent": "done_for_now", "message": " "}, {"intent": "request_human_input", "question": ""}]
)
def test_questions_and_messages_must_not_be_empty(step: dict[str, Any]) -> None:
    assert answer_error(answer(step)).endswith("must not be empty")


@pytest.mark.parametrize("text", ["[]", "7", '"hello"', "null", "{}", '{"step": 7}', '{"step": [{}]}'])
def test_error_for_another_shape_shows_the_right_one(text: str) -> None:
    assert answer_error(text).startswith("the answer must be one object")


@pytest.mark.parametrize(
    "text",
    ["", "Sure! Here it is:", '{"step": {', "{'step': 1}", '{"step": {"intent": "a", "intent": "b"}}', '["\\ud800"]'],
)
def test_answer_that_is_not_strict_json_is_rejected_with_the_reason(text: str) -> None:
    assert answer_error(text).startswith("the answer is not valid JSON: ")


def test_number_without_an_exact_digest_is_rejected() -> None:
    window = {"kind": "until", "hour": 2**60, "minute": 0}

    assert "represented exactly in JSON" in step_error(intent="silence", alert="disk", owner=None, window=window)


def test_error_never_repeats_the_answer() -> None:
    secret = "correct horse battery staple"

    for step in (
        {"intent": secret},
        {"intent": "await", "seconds": secret, "reason": "tea"},
        {"intent": "silence", "alert": [secret], "owner": secret, "window": {"kind": secret}},
    ):
        assert secret not in answer_error(answer(step))


def test_error_is_short_and_on_one_line() -> None:
    many = {f"field\n{n}": n for n in range(1000)}

    for message in (
        step_error(intent="done_for_now", message="bye", **many),
        step_error(intent="silence", **{"x\n" * 2000: 1}),
    ):
        assert len(message) <= MAX_PROBLEM_LENGTH
        assert message.isprintable()


def test_step_can_be_built_from_a_dict() -> None:
    assert step_from_dict({"intent": "nothing_to_do", "reason": "quiet"}, AGENT) == NothingToDo(reason="quiet")

    with pytest.raises(InvalidInput, match=r"silence: alert: Field required"):
        step_from_dict({"intent": "silence"}, AGENT)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
fields = st.sampled_from(["intent", "question", "message", "choices", "alert", "owner", "window", "others", "seconds"])
intents = st.sampled_from(["silence", "request_human_input", "done_for_now", "await", "request_clarification", "no"])
steps = st.builds(
    lambda intent, rest: {**rest, "intent": intent}, intents, st.dictionaries(fields | st.text(), json_values)
)


def try_parse(text: str) -> tuple[str, Step] | InvalidInput:
    try:
        return parse_step(text, AGENT)
    except InvalidInput as message:
        return message


def check_parses_or_raises_invalid_input(text: str) -> None:
    outcome = try_parse(text)
    if isinstance(outcome, InvalidInput):
        assert len(str(outcome)) <= MAX_PROBLEM_LENGTH
    else:
        assert json.loads(outcome[1].model_dump_json())["intent"]


@given(st.text())
def test_any_text_gives_a_step_or_an_error(text: str) -> None:
    check_parses_or_raises_invalid_input(text)


@given(json_values | st.fixed_dictionaries({"reasoning": json_values, "step": json_values | steps}))
def test_any_json_gives_a_step_or_an_error(value: Any) -> None:
    check_parses_or_raises_invalid_input(json.dumps(value))


@given(steps)
def test_any_fields_give_a_step_or_an_error(step: dict[str, Any]) -> None:
    check_parses_or_raises_invalid_input(answer(step))


@pytest.mark.parametrize("depth", [10, 500, 900, 100_000])
def test_deep_nesting_is_rejected(depth: int) -> None:
    deep = "[" * depth + "]" * depth

    check_parses_or_raises_invalid_input(f'{{"step": {{"intent": "silence", "others": {deep}}}}}')
    check_parses_or_raises_invalid_input(f'{{"step": {{"intent": "request_human_input", "choices": {deep}}}}}')
