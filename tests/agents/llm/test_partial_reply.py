"""Tests of partial replies: the emitted text is always a prefix of the final reply."""

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agents.core.agent import Agent
from agents.core.errors import InvalidInput
from agents.core.steps import DoneForNow, NothingToDo, Step
from agents.llm.answer_object import MIN_GROWTH, PartialReplyReader, extract_object
from agents.llm.output_parser import parse_step

AGENT = Agent(name="scout", purpose="Looks around.", instructions="Look.", tools=(), asks=("deploy",))

WRAPPINGS = [
    "{}",
    "\n\t {} \n",
    "```json\n{}\n```",
    "```{}```",
    "Here you are:\n```json\n{}\n```\nAnything else?",
    "<think>they want to {{ rest }}, `so` say ```no```</think>\n{}",
    "<think>\nhm\n</think>\n```json\n{}\n```",
    "thoughts without a beginning</think>{}",
    "thoughts</think> Well: ```\n{}```",
    "\ufeff{}",
    "```jsonc\n{}\n```",
    "````yaml\n{}\n````",
    '<thinking>I could say ```{{"step": 1}}```</thinking>\n{} Anything else?',
    "<think>a</think>b</think>{}",
    "`Well`</think>{}",
]


def emitted_texts(chunks: Sequence[str], *, may_be_wrapped: bool = True) -> list[str]:
    reader = PartialReplyReader(may_be_wrapped=may_be_wrapped)
    return [emitted for chunk in chunks if (emitted := reader.feed(chunk)) is not None]


def parse_step_or_none(text: str, *, may_be_wrapped: bool = True) -> Step | None:
    try:
        return parse_step(extract_object(text) if may_be_wrapped else text, AGENT)[1]
    except InvalidInput:
        return None


def reply(message: str, reasoning: str = "because") -> str:
    return json.dumps({"reasoning": reasoning, "step": {"intent": "done_for_now", "message": message}})


def check_emitted_is_a_prefix(chunks: Sequence[str], *, may_be_wrapped: bool) -> None:
    emitted = emitted_texts(chunks, may_be_wrapped=may_be_wrapped)
    step = parse_step_or_none("".join(chunks), may_be_wrapped=may_be_wrapped)

    assert all(current.startswith(previous) and current != previous for previous, current in pairwise(emitted))
    if isinstance(step, DoneForNow):
        assert step.message.startswith(emitted[-1] if emitted else "")
    elif step is not None:
        assert emitted == []


def test_reply_is_emitted_character_by_character() -> None:
    assert emitted_texts(reply("Hi!")) == ["H", "Hi", "Hi!"]


def test_chunks_outside_the_reply_emit_nothing() -> None:
    assert emitted_texts(
        ['{"reasoning": "they said hi", "step": {"intent": "done_', 'for_now", "message": "', "", "Hi"]
    ) == ["Hi"]


def test_reasoning_may_come_after_the_step() -> None:
    assert emitted_texts(['{"step":{"intent":"done_for_now","message":"Hi"},', '"reasoning":"{\\"step\\""}']) == ["Hi"]


def test_reply_before_its_intent_is_emitted_with_the_intent() -> None:
    assert emitted_texts(['{"step": {"message": "Hi", "intent": "done_for', '_now"}}']) == ["Hi"]


@pytest.mark.parametrize(
    "step",
    [
        {"intent": "nothing_to_do", "reason": "quiet", "message": "Hi"},
        {"intent": "request_human_input", "question": "which?"},
        {"intent": "request_more_information", "message": "which?"},
        {"intent": "request_clarification", "message": "which?"},
        {"message": "look", "intent": "ask_agent", "agent": "deploy"},
        {"intent": None, "message": "Hi"},
        {"message": "Hi"},
        {"intent": "done_for_now", "message": None},
        {"intent": "done_for_now", "message": ["Hi"]},
        {"intent": "done_for_now", "note": {"message": "Hi"}},
    ],
)
def test_other_steps_emit_nothing(step: dict[str, Any]) -> None:
    assert emitted_texts(json.dumps({"reasoning": "", "step": step})) == []


@pytest.mark.parametrize(
    "answer",
    [
        '{"intent": "done_for_now", "message": "Hi"}',
        '[{"step": {"intent": "done_for_now", "message": "Hi"}}]',
        '{"step": [{"intent": "done_for_now", "message": "Hi"}]}',
        '{"reasoning": {"intent": "done_for_now", "message": "Hi"}}',
        '{"reasoning": {"step": {"intent": "done_for_now", "message": "Hi"}}}',
        '{"reasoning": ["step", {"intent": "done_for_now", "message": "Hi"}]}',
        '{"reasoning": "\\"step\\": {\\"intent\\": \\"done_for_now\\", \\"message\\": \\"Hi\\""}',
    ],
)
def test_text_that_looks_like_a_reply_is_not_emitted(answer: str) -> None:
    assert emitted_texts(answer) == []


def test_blank_reply_is_not_emitted() -> None:
    assert emitted_texts(reply(" \n\t")) == []
    assert emitted_texts(reply("\n Hi"))[0] == "\n H"


def test_high_surrogate_waits_for_its_pair() -> None:
    assert emitted_texts([*reply("")[:-3], "a\\ud83", "d", "\\", "ude", "00", "b"]) == ["a", "a😀", "a😀b"]


@pytest.mark.parametrize(
    "invalid", ["\\ud83d!", "\\ud83d\\n", "\\ud83d\\u0041", "\\ude00", "\\u12x4", "\\ud83ddc00  ", "\\ud83d--de00"]
)
def test_lone_surrogate_or_invalid_escape_ends_the_output(invalid: str) -> None:
    assert emitted_texts([*reply("")[:-3], "a", invalid, "more and more", '"}}']) == ["a"]


def test_keys_may_contain_escapes() -> None:
    assert emitted_texts(['{"st\\u0065p": {"intent": "done\\u005Ffor_now", "\\u006dessage": "Hi"}}']) == ["Hi"]


@pytest.mark.parametrize("template", WRAPPINGS)
def test_reasoning_and_fences_are_skipped(template: str) -> None:
    text = template.format(reply("use ```json``` and </think> with {care}"))

    assert emitted_texts(text)[-1] == "use ```json``` and </think> with {care}"
    check_emitted_is_a_prefix(text, may_be_wrapped=True)


@pytest.mark.parametrize("template", WRAPPINGS[2:])
def test_wrapping_is_rejected_where_it_is_not_allowed(template: str) -> None:
    assert emitted_texts(template.format(reply("Hi")), may_be_wrapped=False) == []


@pytest.mark.parametrize(
    "template",
    [
        "Sure: {}",
        "<think>I could say {}",
        "`Well`: {}",
        "Well <think>so</think> {}",
    ],
)
def test_ambiguous_text_is_not_emitted(template: str) -> None:
    assert emitted_texts(template.format(reply("Hi"))) == []


def test_answer_in_reasoning_is_not_emitted() -> None:
    assert emitted_texts(f"<think>{reply('No')}</think>{reply('Yes')}") == ["Y", "Ye", "Yes"]


def test_deeply_nested_answer_emits_nothing() -> None:
    deep = "[" * 100_000 + "]" * 100_000

    assert emitted_texts([reply("Hi").replace('"because"', deep)]) == []


def test_long_answer_is_parsed_a_bounded_number_of_times() -> None:
    message = "x" * 100_000
    emitted = emitted_texts(reply(message))

    assert len(emitted) < 2_000
    assert len(message) - len(emitted[-1]) <= len(message) * MIN_GROWTH + 1


def test_final_step_must_begin_with_the_emitted_text() -> None:
    silent, speaking = PartialReplyReader(may_be_wrapped=True), PartialReplyReader(may_be_wrapped=True)
    speaking.feed(reply("Hi")[:-3])

    assert silent.matches(NothingToDo(reason="quiet"))
    assert speaking.matches(DoneForNow(message="Hi there"))
    assert not speaking.matches(DoneForNow(message="Ho"))
    assert not speaking.matches(NothingToDo(reason="quiet"))


messages = st.text() | st.text(alphabet='😀é\\"`{}</think>\n u0d8', max_size=60)


@st.composite
def spelling_of(draw: st.DrawFn, text: str) -> str:
    """Draw a JSON string for a text, with each character in one of its possible spellings."""
    return '"' + "".join(draw(st.sampled_from(spellings_of(character))) for character in text) + '"'


def spellings_of(character: str) -> list[str]:
    units = character.encode("utf-16-be").hex()
    escaped = "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
    short = json.dumps(character, ensure_ascii=False)[1:-1]
    return [short, escaped, escaped.upper().replace("\\U", "\\u"), *(["\\/"] if character == "/" else [])]


def chunks_of(text: str) -> st.SearchStrategy[list[str]]:
    """Draw a split of the text into chunks."""
    cuts = st.lists(st.integers(0, len(text)), max_size=12).map(lambda at: [0, *sorted(at), len(text)])
    return st.just(list(text)) | cuts.map(lambda at: [text[begin:end] for begin, end in pairwise(at)])


@st.composite
def objects(draw: st.DrawFn, members: dict[str, str]) -> str:
    """Draw a JSON object with these members in any order, and any whitespace."""
    blank = st.sampled_from(["", " ", "\n\t"])
    order = draw(st.permutations(list(members.items())))
    members_text = [f"{draw(spelling_of(key))}{draw(blank)}:{draw(blank)}{value}" for key, value in order]
    return "{" + draw(blank) + f"{draw(blank)},{draw(blank)}".join(members_text) + draw(blank) + "}"


@st.composite
def replies(draw: st.DrawFn) -> tuple[str, list[str]]:
    """Draw a message, and an answer with it in chunks."""
    message = draw(messages)
    step = draw(objects({"intent": draw(spelling_of("done_for_now")), "message": draw(spelling_of(message))}))
    others = st.sampled_from(['"because"', "null", "7", '[{"step": "}"}, []]', '"\\"step\\": {"'])
    answer = draw(objects({"reasoning": draw(others), "step": step}))
    return message, draw(chunks_of(draw(st.sampled_from(WRAPPINGS)).format(answer)))


@given(replies())
def test_any_spelling_and_chunking_emits_the_whole_reply(reply: tuple[str, list[str]]) -> None:
    message, chunks = reply

    check_emitted_is_a_prefix(chunks, may_be_wrapped=True)
    assert emitted_texts(chunks)[-1:] == ([message] if message.strip() else [])


parts = st.sampled_from([
    "<think>", "</think>", "<thinking>", "</thinking>", "\ufeff", '{"', "```", "```json",
    '{"a": 1}', "`", "json", "\n", " ", "well", "{", "}", '"', "\\",
    reply("Yes"), reply("No", "```</think>"), reply("```json {} ```"), reply("Perhaps")[:-2],
    '{"step": {"intent": "nothing_to_do", "reason": "quiet"}}', '{"step": {"message": "Hi", "intent": "await"}}',
])  # fmt: skip
cluttered_texts = st.lists(parts, max_size=12).map("".join)


@given(text=cluttered_texts.flatmap(chunks_of), may_be_wrapped=st.booleans())
@example(text=[f"<think>a</think>b</think>{reply('Yes')}```json\n{reply('No')}\n```"], may_be_wrapped=True)
@example(text=[f"<think>```json\n{reply('Yes')}\n```</think>{reply('No')}"], may_be_wrapped=True)
@example(text=[f"```json\n{reply('Yes')}\n``` or\n```json\n{reply('No')}\n```"], may_be_wrapped=True)
def test_emitted_text_is_a_prefix_with_any_wrapping(text: list[str], may_be_wrapped: bool) -> None:
    check_emitted_is_a_prefix(text, may_be_wrapped=may_be_wrapped)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["step", "intent", "message"]) | st.text(), inner),
    max_leaves=12,
)
steps = st.fixed_dictionaries(
    {"intent": st.sampled_from(["done_for_now", "ask_agent", "request_clarification"]) | json_values},
    optional={"message": st.text() | json_values, "agent": st.just("deploy"), "reason": json_values},
)


@given(
    st.fixed_dictionaries({"reasoning": json_values, "step": steps | json_values}), st.randoms(use_true_random=False)
)
def test_emitted_text_of_any_json_matches_its_step(answer: dict[str, Any], random: Any) -> None:
    text = json.dumps(answer, ensure_ascii=random.random() < 0.5)

    check_emitted_is_a_prefix(text, may_be_wrapped=False)


@given(st.lists(st.text()))
def test_any_text_can_be_fed(chunks: list[str]) -> None:
    check_emitted_is_a_prefix(chunks, may_be_wrapped=True)
