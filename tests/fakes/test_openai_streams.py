"""What the fake provider streams has the shapes that OpenAI's own client declares."""

import json
from typing import Any

import pytest
from openai.types.chat import ChatCompletionChunk
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

from tests.fakes.openai_shapes import Api, Said, Tokens
from tests.fakes.openai_streams import DONE, begun, broken, chat_chunks, failed, response_events, streamed
from tests.fakes.strict_rules import broken_streaming

SAID = [
    Said(text="Hello"),
    Said(refusal="No."),
    Said(text="Hel", ending="length"),
    Said(text="", ending="content_filter"),
]
EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
API = pytest.mark.parametrize("api", ["chat", "responses"])


def checked(api: Api, data: dict[str, Any]) -> Any:
    return ChatCompletionChunk.model_validate(data) if api == "chat" else EVENT.validate_python(data)


def data_of(event: bytes) -> dict[str, Any]:
    *_, line = event.decode().strip().split("\n")
    told: dict[str, Any] = json.loads(line.removeprefix("data: "))
    return told


@pytest.mark.parametrize("said", SAID)
def test_chunks_have_the_declared_shape(said: Said) -> None:
    for count in (True, False):
        for data in chat_chunks(said, "m", list(said.text or ""), count=count):
            checked("chat", data)


@pytest.mark.parametrize("said", SAID)
def test_events_have_the_declared_shape_and_name(said: Said) -> None:
    for number, data in enumerate(response_events(said, "m", list(said.text or ""))):
        event = checked("responses", data)
        assert (event.type, event.sequence_number) == (data["type"], number)


@API
def test_what_breaks_off_is_how_the_whole_begins(api: Api) -> None:
    whole = streamed(api, Said(text="Hello"), "m", ["He", "llo"], count=False)
    part = begun(api, "m", ["He", "llo"])

    assert 0 < len(part) < len(whole)
    assert part == whole[: len(part)]


def test_failures_of_responses_have_the_declared_shape() -> None:
    assert [checked("responses", data_of(e)).type for e in failed("responses", "no", "server_error", "m")] == [
        "response.created",
        "response.failed",
    ]
    assert [checked("responses", data_of(e)).type for e in broken("responses", "no", None)] == ["error"]


def test_chat_ends_with_its_reason_its_count_and_a_last_line() -> None:
    *_, last, count, done = streamed("chat", Said(text="Hi", tokens=Tokens()), "m", ["Hi"], count=True)

    assert data_of(last)["choices"][0]["finish_reason"] == "stop"
    assert (data_of(count)["choices"], data_of(count)["usage"]["prompt_tokens"]) == ([], 120)
    assert done == DONE


@pytest.mark.parametrize(
    ("api", "body", "why"),
    [
        ("chat", {"stream_options": {"include_usage": True}}, "are for streams alone"),
        ("chat", {"stream": "yes"}, "must be true or false"),
        ("chat", {"stream": True, "stream_options": {"count": True}}, "count is not known"),
        ("responses", {"stream": True, "stream_options": {"include_usage": True}}, "include_usage is not known"),
    ],
)
def test_a_stream_that_is_asked_for_wrongly_is_told(api: Api, body: dict[str, Any], why: str) -> None:
    assert any(why in rule for rule in broken_streaming(body, api))


def test_a_stream_may_be_asked_for() -> None:
    assert broken_streaming({"stream": True, "stream_options": {"include_usage": True}}, "chat") == []
    assert broken_streaming({"stream": True}, "responses") == []
    assert broken_streaming({}, "chat") == []
