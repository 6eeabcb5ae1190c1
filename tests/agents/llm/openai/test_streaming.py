"""Tests of streamed answers, which equal whole answers and are reported while they arrive."""

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from agents.core.completion import Completion, CompletionOutcome, Usage
from agents.core.steps import CallTool, DoneForNow
from agents.llm.openai.streaming import INCOMPLETE_STREAM, ChatAccumulator, ResponseAccumulator, StreamAccumulator
from tests.agents.llm.openai.openai_harness import MODEL_REQUEST, OpenAIHarness, build_model
from tests.fakes.http_server import ResponseEnd
from tests.fakes.openai_server import Api, FakeOpenAI
from tests.fakes.openai_shapes import ModelAnswer, TokenUsage
from tests.fakes.openai_streams import DONE, encode_events, response_events

USAGE = Usage(input=120, cached=20, output=30)
ANSWER = '{"reasoning": "", "step": {"intent": "done_for_now", "message": "Hello 😀 there"}}'
PARTIAL_ANSWER = '{"reasoning": "", "step": {"intent": "done_for_now", "message": "Hello there'

Script = Callable[[FakeOpenAI], None]


async def call_once(api: Api, script: Script, seconds: float = 30.0) -> tuple[Completion, list[str]]:
    """Make one streamed call; return its completion and the partial replies."""
    partials: list[str] = []
    async with FakeOpenAI.running() as provider:
        script(provider)
        model = build_model(provider, api, seconds)
        completion = await model.complete(MODEL_REQUEST, partials.append)
        await model.close()
    return completion, partials


async def call_chat_once(script: Script) -> tuple[Completion, list[str]]:
    return await call_once("chat", script)


async def call_responses_once(script: Script) -> tuple[Completion, list[str]]:
    return await call_once("responses", script)


async def test_reply_is_reported_as_it_grows(openai_harness: OpenAIHarness) -> None:
    partials: list[str] = []
    openai_harness.provider.split_text = lambda text: [text[:-11], text[-11:-6], text[-6:]]
    openai_harness.provider.will_say_raw(ANSWER)

    completion = await openai_harness.complete(partials.append)

    assert partials == ["Hello", "Hello 😀 th", "Hello 😀 there"]
    assert completion == Completion(
        outcome=CompletionOutcome.OK, model="test-model", step=DoneForNow(message="Hello 😀 there"), usage=USAGE
    )


async def test_reply_is_reported_before_the_end(openai_harness: OpenAIHarness) -> None:
    received = asyncio.Event()
    openai_harness.provider.will_break_off(PARTIAL_ANSWER, "hang")

    call = asyncio.create_task(openai_harness.complete(lambda text: received.set() if text == "Hello there" else None))
    async with asyncio.timeout(90):
        await received.wait()

    assert not call.done()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call


async def test_tool_call_reports_no_partial_reply(openai_harness: OpenAIHarness) -> None:
    partials: list[str] = []
    openai_harness.provider.will_choose("look", where="here")

    assert (await openai_harness.complete(partials.append)).step == CallTool(
        tool="look", arguments={"where": "here", "depth": 3}
    )
    assert partials == []


async def test_every_call_is_streamed(openai_harness: OpenAIHarness) -> None:
    openai_harness.provider.will_choose("done_for_now", message="bye")
    await openai_harness.complete()

    request = openai_harness.provider.received[0]
    assert request.body["stream"] is True
    assert request.has_usage_requested == (request.api == "chat")


SCRIPTS: dict[str, Script] = {
    "a reply": lambda provider: provider.will_choose("done_for_now", message="bye"),
    "a tool": lambda provider: provider.will_choose("look", where="here"),
    "a question": lambda provider: provider.will_choose("request_human_input", question="which?"),
    "unknown step": lambda provider: provider.will_say_raw('{"reasoning": "", "step": {"intent": "fly"}}'),
    "text without JSON": lambda provider: provider.will_say_raw("Sure!"),
    "whitespace": lambda provider: provider.will_say_raw(" \n"),
    "empty text": lambda provider: provider.will_say_raw(""),
    "no text": lambda provider: provider.will_say_raw(None),
    "truncated reply": lambda provider: provider.will_truncate(PARTIAL_ANSWER),
    "filtered answer": lambda provider: provider.will_filter(),
    "a refusal": lambda provider: provider.will_refuse("I would\nrather not."),
    "a failure": lambda provider: provider.will_fail_inside("server_error", "we are sorry"),
    "rate limit": lambda provider: provider.will_fail_inside("rate_limit_exceeded"),
    "exhausted quota": lambda provider: provider.will_fail_inside("insufficient_quota"),
    "wrapped answer": lambda provider: provider.will_say_raw(f"<think>hm</think>\n```json\n{ANSWER}\n```"),
    "HTML page": lambda provider: provider.will_answer(b"<html>Welcome</html>", kind="text/html"),
    "invalid JSON": lambda provider: provider.will_answer(b"[[["),
    "invalid compression": lambda provider: provider.will_fail(200, headers={"content-encoding": "gzip"}),
    "a wrong key": lambda provider: provider.will_fail(401, message="bad key"),
    "too many requests": lambda provider: provider.will_fail(429, headers={"retry-after": "17"}),
    "HTML page with an error status": lambda provider: provider.will_answer(b"<html>", status=502, kind="text/html"),
    "error status with invalid compression": lambda provider: provider.will_fail(
        500, headers={"content-encoding": "gzip"}
    ),
    "closed connection": lambda provider: provider.will_hang_up(),
}


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
async def test_streamed_call_equals_a_whole_answer(openai_harness: OpenAIHarness, script: Script) -> None:
    for _ in range(2):
        script(openai_harness.provider)

    openai_harness.provider.can_stream = False
    at_once = await openai_harness.complete()
    openai_harness.provider.can_stream = True
    streamed = await openai_harness.complete(lambda _: None)

    assert streamed == at_once
    assert len(openai_harness.provider.received) == 2


async def test_missing_token_counts_of_a_stream_are_estimated(openai_harness: OpenAIHarness) -> None:
    openai_harness.provider.token_usage = None
    for _ in range(2):
        openai_harness.provider.will_choose("done_for_now", message="bye")

    openai_harness.provider.can_stream = False
    at_once = await openai_harness.complete()
    openai_harness.provider.can_stream = True
    streamed = await openai_harness.complete(lambda _: None)

    assert streamed == at_once
    assert streamed.usage is not None
    assert streamed.usage.estimated


async def test_server_that_does_not_stream_sends_a_whole_answer(openai_harness: OpenAIHarness) -> None:
    partials: list[str] = []
    openai_harness.provider.can_stream = False
    openai_harness.provider.will_choose("done_for_now", message="bye")

    assert (await openai_harness.complete(partials.append)).step == DoneForNow(message="bye")
    assert partials == []


@pytest.mark.parametrize(
    ("end", "outcome"), [("whole", CompletionOutcome.FAILED), ("hang up", CompletionOutcome.UNAVAILABLE)]
)
@pytest.mark.parametrize("text", ["", PARTIAL_ANSWER, ANSWER])
async def test_stream_without_an_end_is_a_failure(
    openai_harness: OpenAIHarness, text: str, end: ResponseEnd, outcome: CompletionOutcome
) -> None:
    openai_harness.provider.will_break_off(text, end)

    completion = await openai_harness.complete(lambda _: None)

    assert (completion.outcome, completion.step) == (outcome, None)
    assert len(openai_harness.provider.received) == 1


async def test_usage_of_a_broken_stream_is_estimated(openai_harness: OpenAIHarness) -> None:
    openai_harness.provider.will_break_off(PARTIAL_ANSWER, "whole")

    completion = await openai_harness.complete(lambda _: None)

    assert completion.detail == INCOMPLETE_STREAM
    assert completion.usage is not None
    assert (completion.usage.estimated, completion.usage.output) == (True, len(PARTIAL_ANSWER) // 4)


@pytest.mark.parametrize("api", ["chat", "responses"])
@pytest.mark.parametrize("end", ["hang", "dribble"])
async def test_stalled_stream_is_a_timeout(api: Api, end: ResponseEnd) -> None:
    completion, _ = await call_once(api, lambda provider: provider.will_break_off(PARTIAL_ANSWER, end), seconds=0.5)

    assert completion.outcome is CompletionOutcome.TIMEOUT
    assert completion.detail.endswith(" sent nothing for 0.5 seconds")


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("server_error", CompletionOutcome.FAILED),
        (None, CompletionOutcome.FAILED),
        ("rate_limit_exceeded", CompletionOutcome.RATE_LIMITED),
        ("insufficient_quota", CompletionOutcome.AUTH_FAILED),
        ("misalignment_policy_violation", CompletionOutcome.FILTERED),
    ],
)
async def test_error_event_ends_the_answer(
    openai_harness: OpenAIHarness, code: str | None, outcome: CompletionOutcome
) -> None:
    openai_harness.provider.will_fail_after(ANSWER, code, "we are sorry")

    completion = await openai_harness.complete(lambda _: None)

    assert (completion.outcome, completion.step) == (outcome, None)
    assert completion.detail == "we are sorry" or outcome is not CompletionOutcome.FAILED
    assert completion.usage is not None
    assert completion.usage.estimated


@pytest.mark.parametrize("error", ["overloaded", {"message": ["overloaded"]}, [1], {"type": "overloaded"}, 7])
async def test_error_event_of_any_shape_is_a_failure(openai_harness: OpenAIHarness, error: Any) -> None:
    openai_harness.provider.will_stream(
        f"event: error\ndata: {json.dumps({'type': 'error', 'error': error})}\n\n".encode()
    )

    completion = await openai_harness.complete(lambda _: None)

    assert completion.outcome is CompletionOutcome.FAILED
    assert completion.detail


@pytest.mark.parametrize(
    "garbage",
    [
        b"Welcome to the proxy",
        b"null",
        b"7",
        b"[]",
        b'{"choices": 7, "type": 7}',
        b'{"choices": [{"delta": {"content": 7}}], "type": "response.output_text.delta", "delta": 7}',
        b'{"choices": [7], "type": "response.completed"}',
        b'{"choices": [7], "type": "response.completed", "response": {"output": 7}}',
        b'{"choices": [{"delta": {"content": "\\ud83d!"}}], "type": "response.output_text.delta", "delta": "\\ud83d!"}',
        b'{"choices": [{"delta": {"content": "\\ude00"}}], "type": "response.output_text.delta", "delta": "\\ude00"}',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
async def test_event_that_does_not_fit_the_api_is_a_failure(openai_harness: OpenAIHarness, garbage: bytes) -> None:
    openai_harness.provider.will_stream(b": hello\n\n", b"data: " + garbage + b"\n\n", DONE)

    completion = await openai_harness.complete(lambda _: None)

    assert completion.outcome is CompletionOutcome.FAILED
    assert "does not fit its API" in completion.detail


def chunk(content: str | None = None, **choice: Any) -> bytes:
    return (
        b"data: " + json.dumps({"choices": [{"index": 0, "delta": {"content": content}, **choice}]}).encode() + b"\n\n"
    )


def usage_chunk(*tokens: int) -> bytes:
    usage = dict(zip(("prompt_tokens", "completion_tokens"), tokens, strict=True))
    return b"data: " + json.dumps({"choices": [], "usage": usage}).encode() + b"\n\n"


async def test_chunks_need_no_index_role_or_done_line() -> None:
    minimal_chunk = json.dumps({"choices": [{"delta": {"content": ANSWER}}]}).encode()
    last = b'{"choices": [{"finish_reason": "stop"}]}'

    completion, partials = await call_chat_once(
        lambda provider: provider.will_stream(b"data:" + minimal_chunk + b"\r\n\r\n", b"data:" + last + b"\n\n")
    )

    assert completion.step == DoneForNow(message="Hello 😀 there")
    assert partials == ["Hello 😀 there"]


async def test_last_token_count_wins() -> None:
    events = [
        usage_chunk(0, 0),
        chunk(ANSWER),
        usage_chunk(5, 1),
        usage_chunk(5, 9),
        chunk(finish_reason="stop"),
        chunk(""),
        DONE,
    ]

    completion, _ = await call_chat_once(lambda provider: provider.will_stream(*events))

    assert completion.usage == Usage(input=5, output=9)


async def test_wrapped_reply_is_reported_where_wrapping_is_allowed() -> None:
    def script(provider: FakeOpenAI) -> None:
        provider.will_say_raw(f"<think>They said hi.</think>\n```json\n{ANSWER}\n```")

    assert (await call_once("chat", script))[1][-1] == "Hello 😀 there"
    assert (await call_once("responses", script))[1] == []


@pytest.mark.parametrize("reason", [None, ""])
async def test_complete_object_counts_without_a_finish_reason(reason: str | None) -> None:
    complete, partial = [chunk(ANSWER, finish_reason=reason), DONE], [chunk(ANSWER[:-3], finish_reason=reason), DONE]

    assert (await call_chat_once(lambda provider: provider.will_stream(*complete)))[0].outcome is CompletionOutcome.OK
    broken, _ = await call_chat_once(lambda provider: provider.will_stream(*partial))
    assert (broken.outcome, broken.detail) == (CompletionOutcome.FAILED, INCOMPLETE_STREAM)


async def test_additional_choices_are_ignored() -> None:
    events = [chunk("No!", index=1), chunk(ANSWER), chunk(index=1, finish_reason="length"), chunk(finish_reason="stop")]

    completion, _ = await call_chat_once(lambda provider: provider.will_stream(*events, DONE))

    assert completion.step == DoneForNow(message="Hello 😀 there")


async def test_line_separators_in_a_text_do_not_split_events() -> None:
    text = json.dumps(
        {"reasoning": "", "step": {"intent": "done_for_now", "message": "a\u2028b\x85c"}}, ensure_ascii=False
    )
    data = json.dumps({"choices": [{"delta": {"content": text}, "finish_reason": "stop"}]}, ensure_ascii=False)

    completion, partials = await call_chat_once(
        lambda provider: provider.will_stream(f"data: {data}\n\n".encode(), DONE)
    )

    assert completion.step == DoneForNow(message="a\u2028b\x85c")
    assert partials == ["a\u2028b\x85c"]


async def test_chunks_of_any_size_are_joined() -> None:
    events = b"".join([chunk(ANSWER[:60]), chunk(ANSWER[60:], finish_reason="stop"), DONE])

    completion, partials = await call_chat_once(
        lambda provider: provider.will_stream(*(bytes([byte]) for byte in events))
    )

    assert completion.step == DoneForNow(message="Hello 😀 there")
    assert partials[-1] == "Hello 😀 there"


async def test_split_surrogate_pairs_are_joined(openai_harness: OpenAIHarness) -> None:
    partials: list[str] = []
    openai_harness.provider.split_text = split_into_code_units
    openai_harness.provider.will_say_raw(ANSWER)

    assert (await openai_harness.complete(partials.append)).step == DoneForNow(message="Hello 😀 there")
    assert "Hello 😀" in partials


def split_into_code_units(text: str) -> list[str]:
    """Split a text into UTF-16 code units."""
    units = text.encode("utf-16-le")
    return [units[at : at + 2].decode("utf-16-le", "surrogatepass") for at in range(0, len(units), 2)]


def events_with_other_final_text(first: str, last: str) -> list[bytes]:
    """Return the events of an answer whose final event has another text."""
    *events, end = response_events(ModelAnswer(text=first), "test-model", [first])
    return encode_events(
        "responses",
        [*events, {**end, "response": response_events(ModelAnswer(text=last), "m", [last])[-1]["response"]}],
    )


OTHER_ANSWER = ANSWER.replace("there", "world")
LONGER_ANSWER = ANSWER.replace("there", "there and everywhere")
LOOK_ANSWER = '{"reasoning": "", "step": {"intent": "look", "where": "here", "depth": null}}'


@pytest.mark.parametrize("last", [OTHER_ANSWER, LOOK_ANSWER])
async def test_answer_that_differs_from_the_streamed_text_fails(last: str) -> None:
    completion, partials = await call_responses_once(
        lambda provider: provider.will_stream(*events_with_other_final_text(ANSWER, last))
    )

    assert partials == ["Hello 😀 there"]
    assert (completion.outcome, completion.step, completion.usage) == (CompletionOutcome.FAILED, None, USAGE)


@pytest.mark.parametrize(("first", "last"), [(ANSWER, LONGER_ANSWER), (LOOK_ANSWER, OTHER_ANSWER)])
async def test_answer_may_be_longer_than_the_streamed_text(first: str, last: str) -> None:
    completion, _ = await call_responses_once(
        lambda provider: provider.will_stream(*events_with_other_final_text(first, last))
    )

    assert completion.outcome is CompletionOutcome.OK


async def test_unknown_events_are_ignored() -> None:
    events = response_events(ModelAnswer(text=ANSWER, token_usage=TokenUsage()), "m", [ANSWER])
    unknown = {"type": "response.something.new", "delta": {"deep": ANSWER}}

    completion, partials = await call_responses_once(
        lambda provider: provider.will_stream(*encode_events("responses", [unknown, *events, unknown]))
    )

    assert completion.step == DoneForNow(message="Hello 😀 there")
    assert partials == ["Hello 😀 there"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
event_types = st.sampled_from(["response.completed", "response.output_text.delta", "error", "response.failed"])
events = json_values | st.fixed_dictionaries(
    {},
    optional={
        "type": event_types | json_values,
        "choices": st.lists(st.fixed_dictionaries({}, optional={"delta": json_values, "finish_reason": json_values})),
        "delta": json_values,
        "usage": json_values,
        "response": st.fixed_dictionaries({}, optional={"status": json_values, "output": json_values}),
        "code": json_values,
    },
)


@pytest.mark.parametrize("kind", [ChatAccumulator, ResponseAccumulator])
@given(event_list=st.lists(events), error=json_values)
def test_any_events_give_a_response(kind: Callable[[], StreamAccumulator], event_list: list[Any], error: Any) -> None:
    streamed = kind()
    for event in event_list:
        with suppress(ValidationError):
            assert isinstance(streamed.feed(event), str)

    assert streamed.result(is_done=False).failure in (None, *CompletionOutcome)
    assert streamed.result_after_error(error).failure is not None


@given(text=st.text(), cuts=st.integers(1, 7))
def test_streamed_text_equals_its_chunks(text: str, cuts: int) -> None:
    chunks = [text[at : at + cuts] for at in range(0, len(text), cuts)]
    streamed = ChatAccumulator()
    for part in chunks:
        assert streamed.feed({"choices": [{"delta": {"content": part}}]}) == part
    assert streamed.result(is_done=False).failure is CompletionOutcome.FAILED

    streamed.feed({"choices": [{"finish_reason": "stop"}]})
    assert (streamed.result(is_done=False).text, streamed.result(is_done=False).failure) == (text, None)
