"""What a model answers becomes one valid step, or a complaint that is short and repeats nothing."""

import json
from dataclasses import replace
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from agents.agent import Agent
from agents.errors import InvalidInput
from agents.output_parser import MAX_PROBLEM_LENGTH, parse_step, step_from_dict
from agents.steps import AskAgent, Await, CallTool, DoneForNow, NothingToDo, RequestHumanInput, Step
from agents.tools import ToolContext, ToolResult, tool


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
    others: list[Until] = [],  # noqa: B006 - the default a tool declares; pydantic copies it
    weight: float = 1.0,
) -> ToolResult:
    """Silence an alert."""
    return ToolResult(summary=f"{context.key} {alert} {owner} {window} {others} {weight}")


AGENT = Agent(name="oncall", purpose="Looks after alerts.", instructions="Be kind.", tools=(silence,))
WINDOW = {"kind": "until", "hour": 7, "minute": 0}


def answer(step: Any, reasoning: Any = "because") -> str:
    return json.dumps({"reasoning": reasoning, "step": step})


def step_of(intent: str, **fields: Any) -> Step:
    return parse_step(answer({"intent": intent, **fields}), AGENT)[1]


def complaint_about(text: str, agent: Agent = AGENT) -> str:
    with pytest.raises(InvalidInput) as caught:
        parse_step(text, agent)
    return str(caught.value)


def complaint_about_step(**step: Any) -> str:
    return complaint_about(answer(step))


def test_a_tool_is_chosen_with_valid_arguments() -> None:
    step = step_of("silence", alert="disk", owner="bob", window=WINDOW, others=[WINDOW], weight=2)

    assert step == CallTool(
        tool="silence",
        arguments={"alert": "disk", "owner": "bob", "window": WINDOW, "others": [WINDOW], "weight": 2.0},
    )


def test_the_reasoning_comes_along() -> None:
    assert parse_step(answer({"intent": "nothing_to_do", "reason": "quiet"}, "all is well"), AGENT) == (
        "all is well",
        NothingToDo(reason="quiet"),
    )


@pytest.mark.parametrize("reasoning", [None, 7, ["thoughts"]])
def test_reasoning_that_is_no_text_is_left_out(reasoning: Any) -> None:
    assert parse_step(answer({"intent": "nothing_to_do", "reason": "quiet"}, reasoning), AGENT)[0] == ""


def test_every_built_in_step_is_understood() -> None:
    assert step_of("done_for_now", message="bye") == DoneForNow(message="bye")
    assert step_of("await", seconds=60, reason="tea") == Await(seconds=60, reason="tea")
    assert step_of(
        "request_human_input", question="which?", choices=["a", "b"], format="multiple_choice", urgency="high"
    ) == RequestHumanInput(question="which?", choices=("a", "b"), format="multiple_choice", urgency="high")


@pytest.mark.parametrize("name", ["request_more_information", "request_clarification"])
def test_the_older_names_of_a_question_are_understood(name: str) -> None:
    assert step_of(name, message="which?") == RequestHumanInput(question="which?")
    assert step_of(name, question="which?") == RequestHumanInput(question="which?")


def test_null_for_an_optional_field_of_a_step_means_its_default() -> None:
    step = step_of("request_human_input", question="which?", choices=None, format=None, urgency=None)

    assert step == RequestHumanInput(question="which?")


def test_null_for_an_optional_argument_means_its_default() -> None:
    step = step_of("silence", alert="disk", owner="bob", window=WINDOW, others=None, weight=None)

    assert isinstance(step, CallTool)
    assert step.arguments["others"] == []
    assert step.arguments["weight"] == 1.0


def test_null_for_an_optional_value_deep_inside_means_its_default_too() -> None:
    until = {"kind": "until", "hour": 7, "minute": None}
    step = step_of("silence", alert="disk", owner="bob", window={"kind": "always", "note": None}, others=[until])

    assert isinstance(step, CallTool)
    assert step.arguments["window"] == {"kind": "always", "note": "for ever"}
    assert step.arguments["others"] == [{"kind": "until", "hour": 7, "minute": 30}]


def test_null_for_a_required_argument_that_may_be_null_stays_null() -> None:
    step = step_of("silence", alert="disk", owner=None, window=WINDOW)

    assert isinstance(step, CallTool)
    assert step.arguments["owner"] is None


def test_an_unknown_intent_is_told_with_those_there_are() -> None:
    assert complaint_about_step(intent="launch_missiles") == (
        "step.intent: unknown; choose one of: silence, request_human_input, done_for_now, nothing_to_do, await"
    )


ASKING = replace(AGENT, delegates=("deploy", "scout"))


def test_another_agent_is_asked() -> None:
    step = step_from_dict({"intent": "ask_agent", "agent": "deploy", "message": "what is deployed"}, ASKING)

    assert step == AskAgent(agent="deploy", message="what is deployed")


@pytest.mark.parametrize(
    ("asking", "complaint"),
    [
        ({"agent": "oncall", "message": "hi"}, "step.agent: unknown; you may ask: deploy, scout"),
        ({"agent": "Deploy", "message": "hi"}, "step.agent: unknown; you may ask: deploy, scout"),
        ({"agent": "deploy", "message": " \n"}, "step.message: must not be empty"),
        ({"agent": "deploy"}, "step.message: missing: Field required"),
        ({"message": "hi"}, "step.agent: missing: Field required"),
        ({"agent": ["deploy"], "message": "hi"}, "step.agent: string_type: Input should be a valid string"),
    ],
)
def test_asking_that_cannot_be_carried_out_is_told_what_can(asking: dict[str, Any], complaint: str) -> None:
    assert complaint_about(answer({"intent": "ask_agent", **asking}), ASKING) == complaint


def test_who_may_ask_nobody_does_not_know_the_step() -> None:
    complaint = complaint_about_step(intent="ask_agent", agent="deploy", message="hi")

    assert complaint.startswith("step.intent: unknown; choose one of: silence")
    assert "ask_agent" not in complaint
    assert complaint_about(answer({"intent": "dig"}), ASKING).endswith("await, ask_agent")


@pytest.mark.parametrize("intent", [None, 3, ["silence"], {"name": "silence"}])
def test_an_intent_that_is_no_name_is_unknown(intent: Any) -> None:
    assert complaint_about_step(intent=intent).startswith("step.intent: unknown; choose one of: silence")


def test_a_step_without_an_intent_is_told_which_there_are() -> None:
    assert complaint_about_step(alert="disk").startswith("step.intent: unknown; choose one of: silence")


def test_a_wrong_argument_is_told_with_its_place() -> None:
    complaint = complaint_about_step(intent="silence", alert="disk", owner=None, window={**WINDOW, "hour": "seven"})

    assert complaint == "silence: window.until.hour: Input should be a valid integer"


def test_a_wrong_field_is_told_with_its_place_type_and_reason() -> None:
    assert complaint_about_step(intent="await", seconds=0, reason="tea") == (
        "step.seconds: greater_than_equal: Input should be greater than or equal to 1"
    )


def test_a_field_nobody_knows_is_told() -> None:
    assert "step.mood: extra_forbidden" in complaint_about_step(intent="done_for_now", message="bye", mood="blue")


@pytest.mark.parametrize(
    "step", [{"intent": "done_for_now", "message": " "}, {"intent": "request_human_input", "question": ""}]
)
def test_what_is_said_to_people_must_not_be_empty(step: dict[str, Any]) -> None:
    assert complaint_about(answer(step)).endswith("must not be empty")


@pytest.mark.parametrize("text", ["[]", "7", '"hello"', "null", "{}", '{"step": 7}', '{"step": [{}]}'])
def test_an_answer_of_another_shape_is_told_the_right_one(text: str) -> None:
    assert complaint_about(text).startswith("the answer must be one object")


@pytest.mark.parametrize("text", ["", "Sure! Here it is:", '{"step": {', "{'step': 1}", "\x00"])
def test_what_is_no_json_is_told_with_the_place(text: str) -> None:
    assert complaint_about(text).startswith("the answer is not JSON: ")


def test_the_same_key_twice_is_refused_rather_than_guessed() -> None:
    twice = '{"step": {"intent": "done_for_now", "message": "stay", "message": "go"}}'

    assert "same key twice" in complaint_about(twice)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_json_does_not_know_are_refused(number: str) -> None:
    assert "NaN and Infinity are not allowed" in complaint_about(f'{{"step": {{"intent": "await", "seconds": {number}}}}}')


@pytest.mark.parametrize("value", ["[" * 100_000, "9" * 10_000])
def test_what_cannot_be_kept_is_refused(value: str) -> None:
    assert "cannot be stored" in complaint_about(f'{{"step": {{"intent": "done_for_now", "message": {value}')


def test_half_a_character_is_refused() -> None:
    assert "cannot be stored" in complaint_about('{"step": {"intent": "done_for_now", "message": "\\ud800"}}')


def test_a_number_no_digest_can_hold_is_refused_before_anybody_is_asked() -> None:
    window = {"kind": "until", "hour": 2**60, "minute": 0}

    assert "exact JSON" in complaint_about_step(intent="silence", alert="disk", owner=None, window=window)


def test_a_complaint_never_repeats_what_was_said() -> None:
    secret = "correct horse battery staple"

    for step in (
        {"intent": secret},
        {"intent": "await", "seconds": secret, "reason": "tea"},
        {"intent": "silence", "alert": [secret], "owner": secret, "window": {"kind": secret}},
    ):
        assert secret not in complaint_about(answer(step))


def test_a_complaint_is_short_and_on_one_line() -> None:
    many = {f"field\n{n}": n for n in range(1000)}

    for complaint in (
        complaint_about_step(intent="done_for_now", message="bye", **many),
        complaint_about_step(intent="silence", **{"x\n" * 2000: 1}),
    ):
        assert len(complaint) <= MAX_PROBLEM_LENGTH
        assert complaint.isprintable()


def test_a_step_can_be_read_without_an_answer_around_it() -> None:
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


def parsed(text: str) -> tuple[str, Step] | InvalidInput:
    try:
        return parse_step(text, AGENT)
    except InvalidInput as complaint:
        return complaint


def check_parses_or_complains(text: str) -> None:
    outcome = parsed(text)
    if isinstance(outcome, InvalidInput):
        assert len(str(outcome)) <= MAX_PROBLEM_LENGTH
    else:
        assert json.loads(outcome[1].model_dump_json())["intent"]


@given(st.text())
def test_any_text_is_a_step_or_a_complaint(text: str) -> None:
    check_parses_or_complains(text)


@given(json_values | st.fixed_dictionaries({"reasoning": json_values, "step": json_values | steps}))
def test_any_json_is_a_step_or_a_complaint(value: Any) -> None:
    check_parses_or_complains(json.dumps(value))


@given(steps)
def test_any_fields_are_a_step_or_a_complaint(step: dict[str, Any]) -> None:
    check_parses_or_complains(answer(step))


@pytest.mark.parametrize("depth", [10, 500, 900, 100_000])
def test_deep_nesting_is_a_complaint(depth: int) -> None:
    deep = "[" * depth + "]" * depth

    check_parses_or_complains(f'{{"step": {{"intent": "silence", "others": {deep}}}}}')
    check_parses_or_complains(f'{{"step": {{"intent": "request_human_input", "choices": {deep}}}}}')
