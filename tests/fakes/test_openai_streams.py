"""Tests that the fake provider's streams have the types that OpenAI's client declares."""

import json
from typing import Any

import pytest
from openai.types.chat import ChatCompletionChunk
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

from tests.fakes.openai_schema_rules import streaming_violations
from tests.fakes.openai_shapes import Api, ModelAnswer, TokenUsage
from tests.fakes.openai_streams import (
    DONE,
    chat_chunks,
    encode_answer,
    encode_failure,
    encode_start,
    encode_stream_error,
    response_events,
)

ANSWERS = [
    ModelAnswer(text="Hello"),
    ModelAnswer(refusal="No."),
    ModelAnswer(text="Hel", finish_reason="length"),
    ModelAnswer(text="", finish_reason="content_filter"),
]
EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
API = pytest.mark.parametrize("api", ["chat", "responses"])


def validate(api: Api, data: dict[str, Any]) -> Any:
    return ChatCompletionChunk.model_validate(data) if api == "chat" else EVENT.validate_python(data)


def parse_data(event: bytes) -> dict[str, Any]:
    *_, line = event.decode().strip().split("\n")
    data: dict[str, Any] = json.loads(line.removeprefix("data: "))
    return data


@pytest.mark.parametrize("answer", ANSWERS)
def test_chunks_have_the_declared_shape(answer: ModelAnswer) -> None:
    for count in (True, False):
        for data in chat_chunks(answer, "m", list(answer.text or ""), has_usage=count):
            validate("chat", data)


@pytest.mark.parametrize("answer", ANSWERS)
def test_events_have_the_declared_shape_and_name(answer: ModelAnswer) -> None:
    for number, data in enumerate(response_events(answer, "m", list(answer.text or ""))):
        event = validate("responses", data)
        assert (event.type, event.sequence_number) == (data["type"], number)


@API
def test_interrupted_stream_is_a_prefix_of_the_whole(api: Api) -> None:
    complete = encode_answer(api, ModelAnswer(text="Hello"), "m", ["He", "llo"], has_usage=False)
    part = encode_start(api, "m", ["He", "llo"])

    assert 0 < len(part) < len(complete)
    assert part == complete[: len(part)]


def test_failures_of_responses_have_the_declared_shape() -> None:
    assert [
        validate("responses", parse_data(e)).type for e in encode_failure("responses", "no", "server_error", "m")
    ] == [
        "response.created",
        "response.failed",
    ]
    assert [validate("responses", parse_data(e)).type for e in encode_stream_error("responses", "no", None)] == [
        "error"
    ]


def test_chat_ends_with_finish_reason_usage_and_done() -> None:
    *_, last, count, done = encode_answer(
        "chat", ModelAnswer(text="Hi", token_usage=TokenUsage()), "m", ["Hi"], has_usage=True
    )

    assert parse_data(last)["choices"][0]["finish_reason"] == "stop"
    assert (parse_data(count)["choices"], parse_data(count)["usage"]["prompt_tokens"]) == ([], 120)
    assert done == DONE


@pytest.mark.parametrize(
    ("api", "body", "reason"),
    [
        ("chat", {"stream_options": {"include_usage": True}}, "are for streams alone"),
        ("chat", {"stream": "yes"}, "must be true or false"),
        ("chat", {"stream": True, "stream_options": {"count": True}}, "count is not known"),
        ("responses", {"stream": True, "stream_options": {"include_usage": True}}, "include_usage is not known"),
    ],
)
def test_invalid_stream_options_are_reported(api: Api, body: dict[str, Any], reason: str) -> None:
    assert any(reason in rule for rule in streaming_violations(body, api))


def test_streaming_may_be_requested() -> None:
    assert streaming_violations({"stream": True, "stream_options": {"include_usage": True}}, "chat") == []
    assert streaming_violations({"stream": True}, "responses") == []
    assert streaming_violations({}, "chat") == []
