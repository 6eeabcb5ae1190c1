"""Tests of OpenAIModel over the real client and real sockets: every outcome of a call is a Completion."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from agents.core.agent import Agent
from agents.core.completion import Completion, CompletionOutcome, Usage
from agents.core.steps import CallTool, DoneForNow
from agents.llm.base import ModelRequest
from agents.llm.openai.completion import (
    MAX_MESSAGE_LENGTH,
    MAX_RETRY_AFTER_SECONDS,
    parse_retry_after,
    sanitize_message,
)
from agents.llm.openai.model import OpenAIModel
from agents.llm.openai.responses import parse_chat, parse_response
from agents.llm.prompt import Prompt
from tests.agents.llm.openai.openai_harness import AGENT, MODEL_REQUEST, OpenAIHarness, build_model, look
from tests.fakes.openai_server import Api, FakeOpenAI

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
async def chat() -> AsyncIterator[OpenAIHarness]:
    """Yield a model with a fake server other than OpenAI's."""
    async with FakeOpenAI.running() as provider:
        model = build_model(provider, "chat")
        yield OpenAIHarness(provider, model)
        await model.close()


async def complete_with_short_timeout(
    api: Api, prepare: Callable[[FakeOpenAI], None], call: Callable[[OpenAIModel], Awaitable[Completion]]
) -> Completion:
    """Make one call with a timeout of 1.5 seconds."""
    async with FakeOpenAI.running() as provider:
        prepare(provider)
        model = build_model(provider, api, timeout=1.5)
        completion = await call(model)
        await model.close()
    return completion


async def test_step_is_chosen(openai_harness: OpenAIHarness) -> None:
    openai_harness.provider.will_choose("look", where="here")

    assert await openai_harness.complete() == Completion(
        outcome=CompletionOutcome.OK,
        model="test-model",
        step=CallTool(tool="look", arguments={"where": "here", "depth": 3}),
        reasoning="because",
        usage=Usage(input=120, cached=20, output=30),
    )


async def test_request_contains_the_prompt(openai_harness: OpenAIHarness) -> None:
    openai_harness.provider.will_choose("done_for_now", message="bye")
    await openai_harness.complete()

    request = openai_harness.provider.received[-1]
    assert request.system.startswith("You are a scout.")
    assert request.user == "<message>hi</message>"


async def test_openai_uses_responses_without_storage() -> None:
    async with FakeOpenAI.running() as provider:
        provider.will_choose("done_for_now", message="bye")
        model = build_model(provider, "responses")
        await model.complete(MODEL_REQUEST)
        await model.close()

    assert provider.received[-1].api == "responses"
    assert provider.received[-1].body["store"] is False
    assert provider.received[-1].system == "You are a scout."


async def test_other_servers_use_chat_with_the_schema_in_the_prompt(chat: OpenAIHarness) -> None:
    chat.provider.will_choose("done_for_now", message="bye")
    await chat.complete()

    request = chat.provider.received[-1]
    assert request.api == "chat"
    assert request.system.endswith(json.dumps(request.schema, separators=(",", ":")))


async def test_server_without_keys_needs_no_key() -> None:
    async with FakeOpenAI.running(key="none") as provider:
        provider.will_choose("done_for_now", message="bye")
        model = OpenAIModel("", provider.base_url, provider.model)
        completion = await model.complete(MODEL_REQUEST)
        await model.close()

    assert completion.step == DoneForNow(message="bye")


async def test_answer_without_a_step_is_invalid_with_the_reason(openai_harness: OpenAIHarness) -> None:
    openai_harness.provider.will_say_raw('{"reasoning": "", "step": {"intent": "fly"}}')

    completion = await openai_harness.complete()

    assert (completion.outcome, completion.step) == (CompletionOutcome.INVALID, None)
    assert completion.detail.startswith("step.intent: unknown; choose one of: look, request_human_input")
    assert completion.usage == Usage(input=120, cached=20, output=30)


async def test_answer_at_the_length_limit_is_truncated(openai_harness: OpenAIHarness) -> None:
    openai_harness.provider.will_truncate()

    completion = await openai_harness.complete()

    assert completion.outcome is CompletionOutcome.TRUNCATED
    assert "fewer words" in completion.detail
    assert completion.usage == Usage(input=120, cached=20, output=30)


@pytest.mark.parametrize("text", ["", "  \n", None])
async def test_answer_without_text_is_empty(openai_harness: OpenAIHarness, text: str | None) -> None:
    openai_harness.provider.will_say_raw(text)

    assert (await openai_harness.complete()).outcome is CompletionOutcome.EMPTY


async def test_answer_without_choices_is_empty(chat: OpenAIHarness) -> None:
    chat.provider.will_answer(b'{"id": "x", "object": "chat.completion", "choices": []}')

    assert (await chat.complete()).outcome is CompletionOutcome.EMPTY


async def test_refusal_has_the_models_text(openai_harness: OpenAIHarness) -> None:
    openai_harness.provider.will_refuse("I would\nrather not.")

    completion = await openai_harness.complete()

    assert (completion.outcome, completion.detail) == (CompletionOutcome.REFUSED, "I would rather not.")


async def test_content_filter_is_reported_as_filtered(openai_harness: OpenAIHarness) -> None:
    openai_harness.provider.will_filter()

    assert (await openai_harness.complete()).outcome is CompletionOutcome.FILTERED


async def test_content_filter_error_is_reported_as_filtered(openai_harness: OpenAIHarness) -> None:
    openai_harness.provider.will_fail(400, code="content_filter")

    assert (await openai_harness.complete()).outcome is CompletionOutcome.FILTERED


async def test_error_with_status_200_is_a_failure(openai_harness: OpenAIHarness) -> None:
    openai_harness.provider.will_fail_inside("server_error", "we are sorry")

    completion = await openai_harness.complete()

    assert (completion.outcome, completion.detail) == (CompletionOutcome.FAILED, "we are sorry")


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("rate_limit_exceeded", CompletionOutcome.RATE_LIMITED),
        ("misalignment_policy_violation", CompletionOutcome.FILTERED),
        ("something_new", CompletionOutcome.FAILED),
    ],
)
async def test_failed_response_is_classified_by_its_code(code: str, outcome: CompletionOutcome) -> None:
    async with FakeOpenAI.running() as provider:
        provider.will_fail_inside(code)
        model = build_model(provider, "responses")
        completion = await model.complete(MODEL_REQUEST)
        await model.close()

    assert completion.outcome is outcome


@pytest.mark.parametrize(
    ("status", "code", "outcome"),
    [
        (400, None, CompletionOutcome.BAD_REQUEST),
        (401, "invalid_api_key", CompletionOutcome.AUTH_FAILED),
        (402, None, CompletionOutcome.AUTH_FAILED),
        (403, None, CompletionOutcome.AUTH_FAILED),
        (404, "model_not_found", CompletionOutcome.AUTH_FAILED),
        (408, None, CompletionOutcome.TIMEOUT),
        (422, None, CompletionOutcome.BAD_REQUEST),
        (429, "rate_limit_exceeded", CompletionOutcome.RATE_LIMITED),
        (429, "insufficient_quota", CompletionOutcome.AUTH_FAILED),
        (500, None, CompletionOutcome.FAILED),
        (503, None, CompletionOutcome.FAILED),
        (529, None, CompletionOutcome.FAILED),
    ],
)
async def test_every_error_status_has_one_outcome_and_no_retry(
    openai_harness: OpenAIHarness, status: int, code: str | None, outcome: CompletionOutcome
) -> None:
    openai_harness.provider.will_fail(status, code=code)

    completion = await openai_harness.complete()

    assert completion.outcome is outcome
    assert str(status) in completion.detail
    assert len(openai_harness.provider.received) == 1


async def test_retry_after_is_kept(openai_harness: OpenAIHarness) -> None:
    openai_harness.provider.will_fail(429, headers={"retry-after": "17"})

    assert (await openai_harness.complete()).retry_after == 17.0


async def test_permanent_failure_has_no_retry_after(openai_harness: OpenAIHarness) -> None:
    openai_harness.provider.will_fail(429, code="insufficient_quota", headers={"retry-after": "17"})

    assert (await openai_harness.complete()).retry_after is None


async def test_error_message_is_short_and_without_the_key(openai_harness: OpenAIHarness) -> None:
    openai_harness.provider.will_fail(400, message=f"\x1b[31mbad key {openai_harness.provider.key}\n" + "blah " * 1000)

    completion = await openai_harness.complete()

    assert openai_harness.provider.key not in completion.detail
    assert completion.detail.isprintable()
    assert "bad key [key] blah" in completion.detail
    assert len(completion.detail) < MAX_MESSAGE_LENGTH + 50


async def test_denial_has_the_providers_message_without_the_key(openai_harness: OpenAIHarness) -> None:
    openai_harness.provider.will_fail(
        401, message=f"Incorrect API key provided: tes*****ey. {openai_harness.provider.key} is expired"
    )

    completion = await openai_harness.complete()

    assert completion.detail.endswith("answered 401: Incorrect API key provided: [key] [key] is expired")


@pytest.mark.parametrize(
    ("status", "code", "advice"),
    [
        (401, None, "OPENAI_API_KEY"),
        (403, None, "OPENAI_API_KEY"),
        (404, None, "OPENAI_MODEL and OPENAI_BASE_URL"),
        (402, None, "billing"),
        (429, "insufficient_quota", "billing"),
    ],
)
async def test_denial_has_a_hint_for_the_operator(
    openai_harness: OpenAIHarness, status: int, code: str | None, advice: str
) -> None:
    openai_harness.provider.will_fail(status, code=code)

    assert advice in (await openai_harness.complete()).operator_hint


@pytest.mark.parametrize(
    "body",
    [
        {"error": "no such model"},
        {"error": {"message": "no such model"}},
        [{"error": {"message": "no such model", "status": "NOT_FOUND"}}],
        {"detail": [{"msg": "no such model"}]},
        {"message": "no such model"},
    ],
)
async def test_error_message_is_found_in_every_shape(chat: OpenAIHarness, body: Any) -> None:
    chat.provider.will_answer(json.dumps(body).encode(), status=404)

    assert (await chat.complete()).detail == "127.0.0.1 answered 404: no such model"


HTML = b"<html><body>Welcome to the proxy</body></html>"


@pytest.mark.parametrize("kind", ["text/html", "application/json"])
@pytest.mark.parametrize(
    "body",
    [
        HTML,
        b"",
        b"null",
        b"[]",
        b'{"choices": 7, "output": 7}',
        b'{"choices": [{}], "output": [{}]}',
        b"\xff\xfe",
        b'{"choices": ' + b"[" * 100_000,
    ],
)
async def test_body_that_does_not_fit_the_api_is_a_failure(
    openai_harness: OpenAIHarness, body: bytes, kind: str
) -> None:
    openai_harness.provider.will_answer(body, kind=kind)

    completion = await openai_harness.complete()

    assert completion.outcome is CompletionOutcome.FAILED
    assert "does not fit its API" in completion.detail


async def test_html_error_page_is_a_failure_without_its_text(openai_harness: OpenAIHarness) -> None:
    openai_harness.provider.will_answer(HTML, status=502, kind="text/html")

    completion = await openai_harness.complete()

    assert completion.outcome is CompletionOutcome.FAILED
    assert completion.detail.endswith("answered 502")


async def test_body_that_cannot_be_decompressed_is_a_failure(openai_harness: OpenAIHarness) -> None:
    openai_harness.provider.will_fail(200, headers={"content-encoding": "gzip"})

    assert (await openai_harness.complete()).outcome is CompletionOutcome.UNAVAILABLE


async def test_broken_connection_is_unavailable(openai_harness: OpenAIHarness) -> None:
    openai_harness.provider.will_hang_up()

    completion = await openai_harness.complete()

    assert completion.outcome is CompletionOutcome.UNAVAILABLE
    assert completion.detail.startswith("no connection to ")


async def test_missing_server_is_unavailable() -> None:
    async with FakeOpenAI.running() as provider:
        model = build_model(provider, "chat")
    completion = await model.complete(MODEL_REQUEST)
    await model.close()

    assert (completion.outcome, completion.detail) == (CompletionOutcome.UNAVAILABLE, "no connection to 127.0.0.1")


@pytest.mark.parametrize("api", ["chat", "responses"])
@pytest.mark.parametrize("stall", [FakeOpenAI.will_hang, FakeOpenAI.will_dribble])
async def test_stalled_server_is_a_timeout(api: Api, stall: Callable[[FakeOpenAI], None]) -> None:
    started_at = time.monotonic()
    completion = await complete_with_short_timeout(api, stall, lambda model: model.complete(MODEL_REQUEST))

    assert completion.outcome is CompletionOutcome.TIMEOUT
    assert completion.detail.endswith(" sent nothing for 1.5 seconds")
    assert time.monotonic() - started_at < 60


async def test_call_can_be_cancelled() -> None:
    async with FakeOpenAI.running() as provider:
        provider.will_hang()
        model = build_model(provider, "chat")
        call = asyncio.create_task(model.complete(MODEL_REQUEST))
        await provider.call_received.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await model.close()


async def test_missing_token_counts_are_estimated_and_marked(openai_harness: OpenAIHarness) -> None:
    openai_harness.provider.token_usage = None
    openai_harness.provider.will_choose("done_for_now", message="bye")

    usage = (await openai_harness.complete()).usage

    assert usage is not None
    assert usage.estimated
    assert usage.input > 5
    assert usage.output > 5


@pytest.mark.parametrize(
    "token_counts", ["many", {"prompt_tokens": -1, "completion_tokens": 2}, {"prompt_tokens": 3}, [1]]
)
async def test_invalid_token_counts_are_estimated(chat: OpenAIHarness, token_counts: Any) -> None:
    text = '{"reasoning": "", "step": {"intent": "done_for_now", "message": "bye"}}'
    choice = {"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    chat.provider.will_answer(json.dumps({"choices": [choice], "usage": token_counts}).encode())

    completion = await chat.complete()

    assert completion.outcome is CompletionOutcome.OK
    assert completion.usage is not None
    assert completion.usage.estimated


STEP_JSON = '{"reasoning": "", "step": {"intent": "done_for_now", "message": "bye"}}'


async def test_wrapped_answers_are_parsed(chat: OpenAIHarness) -> None:
    chat.provider.will_say_raw(f"<think>They said hi.</think>\n```json\n{STEP_JSON}\n```")

    assert (await chat.complete()).step == DoneForNow(message="bye")


async def test_wrapped_answer_from_openai_is_invalid() -> None:
    async with FakeOpenAI.running() as provider:
        provider.will_say_raw(f"```json\n{STEP_JSON}\n```")
        model = build_model(provider, "responses")
        completion = await model.complete(MODEL_REQUEST)
        await model.close()

    assert completion.outcome is CompletionOutcome.INVALID


async def test_agent_with_an_unsupported_schema_is_rejected_locally(chat: OpenAIHarness) -> None:
    with_duplicate_tools = Agent(name="scout", purpose="", instructions="", tools=(look, look))

    completion = await chat.model.complete(
        ModelRequest(MODEL_REQUEST.state, with_duplicate_tools, MODEL_REQUEST.prompt)
    )

    assert (completion.outcome, chat.provider.received) == (CompletionOutcome.BAD_REQUEST, [])
    assert "look: this name is already used" in completion.detail


async def test_prompt_that_cannot_be_encoded_is_rejected_locally(chat: OpenAIHarness) -> None:
    completion = await chat.model.complete(ModelRequest(MODEL_REQUEST.state, AGENT, Prompt(system="s", user="\ud800")))

    assert (completion.outcome, chat.provider.received) == (CompletionOutcome.BAD_REQUEST, [])


@pytest.mark.parametrize("read", [parse_chat, parse_response])
@given(body=st.binary())
def test_any_bytes_are_a_response_or_a_validation_error(read: Callable[[bytes], object], body: bytes) -> None:
    with suppress(ValidationError):
        read(body)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "20"}, 20.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "20", "retry-after-ms": "250"}, 0.25),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "99999999"}, MAX_RETRY_AFTER_SECONDS),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": format_datetime(NOW + timedelta(seconds=90), usegmt=True)}, 90.0),
        ({"retry-after": format_datetime(NOW - timedelta(seconds=90), usegmt=True)}, 0.0),
        ({"retry-after": "Thu, 01 Jan 2026 00:01:00"}, 60.0),
        ({"retry-after": "Thu, 01 Jan 99999999999999999999 00:00:00 GMT"}, None),
        ({"retry-after": "Thu, 01 Jan 2026 00:00:00 +9999"}, None),
    ],
)
def test_retry_after_is_parsed_in_all_its_forms(headers: dict[str, str], seconds: float | None) -> None:
    assert parse_retry_after(headers, NOW) == seconds


@given(st.text(), st.text())
def test_any_retry_after_header_is_a_bounded_time_or_none(first: str, second: str) -> None:
    seconds = parse_retry_after({"retry-after": first, "retry-after-ms": second}, NOW)

    assert seconds is None or 0 <= seconds <= MAX_RETRY_AFTER_SECONDS


@given(st.text(), st.text(min_size=8))
def test_sanitized_message_is_short_printable_and_without_the_key(text: str, key: str) -> None:
    sanitized = sanitize_message(text + key + text, key)

    assert len(sanitized) <= MAX_MESSAGE_LENGTH
    assert sanitized.isprintable()
