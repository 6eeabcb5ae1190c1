"""Tests of finding the JSON object in a model's answer, in linear time."""

import json
import time
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agents.core.agent import Agent
from agents.core.errors import InvalidInput
from agents.core.steps import DoneForNow
from agents.llm.answer_object import extract_object
from agents.llm.output_parser import parse_step

AGENT = Agent(name="scout", purpose="Looks around.", instructions="Look.", tools=())
HOSTILE_LENGTH = 200_000
MAX_SECONDS = 5.0
"""Upper limit for hostile texts, for which quadratic work takes minutes."""


def reply(message: str) -> str:
    return json.dumps({"reasoning": "because", "step": {"intent": "done_for_now", "message": message}})


@pytest.mark.parametrize(
    "template",
    [
        "{}",
        "  {}\n",
        "\ufeff{}",
        "```json\n{}\n```",
        "```jsonc\n{}\n```",
        "```\n{}\n```",
        "Here you are:\n```json\n{}\n```\nAnything else?",
        "Sure! {} Anything else?",
        "{}\nI hope this helps.",
        'Set {{env}} first, then {{"this: {}',
        "<think>they want to {{ rest }}</think>\n{}",
        '<thinking>they want ```{{"step": 1}}```</thinking>\n{}',
        "<think>\nhm\n</think>\n```json\n{}\n```",
        "thoughts without a beginning</think>{}",
        'thoughts with {{"step": {{"intent": "await"}}}}</think>{}',
        "Well. <think>hm</think> So: {}",
        "{} </think> {{not more}}",
    ],
)
def test_object_is_found_in_surrounding_text(template: str) -> None:
    inner = reply("use ```json``` and </think> with care")

    assert extract_object(template.format(inner)) == inner


def test_repeated_object_counts_once() -> None:
    assert extract_object(f"{reply('Hi')}\n```json\n{reply('Hi')}\n```") == reply("Hi")


@pytest.mark.parametrize("separator", [" ", " or\n```json\n", "</think>"])
def test_two_different_objects_are_rejected(separator: str) -> None:
    with pytest.raises(InvalidInput, match="several objects"):
        extract_object(f"{reply('Yes')}{separator}{reply('No')}")


def test_object_in_reasoning_is_ignored() -> None:
    assert extract_object(f"<think>{reply('No')}</think>") == ""
    assert extract_object(f"<think>{reply('No')}") == ""
    assert extract_object(f"{'so '}{reply('No')}</think> nothing") == "nothing"


def test_object_inside_a_message_text_is_ignored() -> None:
    inner = reply('</think> {"step": {"intent": "nothing_to_do", "reason": "x"}} ```')

    assert extract_object(f"Sure: {inner}") == inner


prose = st.text(alphabet="ab {}'`.:\n", max_size=30).filter(lambda text: "```" not in text)


@given(before=prose, after=prose, label=st.sampled_from(["", "json", "jsonc"]), message=st.text(min_size=1))
@example(before="{", after="}", label="json", message="</think>```")
def test_any_wrapping_gives_the_same_step(before: str, after: str, label: str, message: str) -> None:
    inner = reply(f"m{message}".encode("utf-8", "ignore").decode())
    expected = parse_step(inner, AGENT)
    for text in (
        f"{before}\n```{label}\n{inner}\n```{after}",
        f"<think>{before}</think>{after}{inner}{before}",
        f"<thinking>{before}</thinking>{after}{inner}",
        f"{before}</think>{inner}{after}",
        f"\ufeff{before}{inner}{after}",
    ):
        assert parse_step(extract_object(text), AGENT) == expected
    assert isinstance(expected[1], DoneForNow)


@given(st.text() | st.text(alphabet='{}"`<>/think\\: \n\ufeff1,[]'))
def test_any_text_gives_a_text_or_invalid_input(text: str) -> None:
    with suppress(InvalidInput):
        assert isinstance(extract_object(text), str)


@pytest.mark.parametrize(
    "unit",
    ["{", '{"', '{"a":', "{ ", "[", "<think>", "</think>", "a</think>", "`", "```", '{"a":1}', '{"step":1}', '{"":{},',
     "\ufeff", " ", "</thinking><think>", '{"step":1}</think>', '"', "\\", "{\n", '```{"'],
)  # fmt: skip
@pytest.mark.parametrize("prefix", ["", "x", "<think>", '{"a":' * 900, f'{{"step":{" " * 100_000}1}} ', "x ```"])
def test_hostile_text_takes_linear_time(prefix: str, unit: str) -> None:
    text = prefix + unit * (HOSTILE_LENGTH // len(unit))
    started_at = time.monotonic()
    with suppress(InvalidInput):
        extract_object(text)
    assert time.monotonic() - started_at < MAX_SECONDS
