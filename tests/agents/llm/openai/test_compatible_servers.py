"""Tests with servers other than OpenAI's: unsupported features, and the field that has the answer."""

from collections.abc import AsyncIterator

import pytest

from agents.core.completion import Completion, CompletionOutcome
from agents.core.steps import DoneForNow
from agents.llm.openai.model import OpenAIModel
from tests.agents.llm.openai.openai_harness import MODEL_REQUEST, OpenAIHarness, build_model
from tests.fakes.openai_server import FakeOpenAI
from tests.fakes.openai_shapes import AnswerLocation

REPLY = '{"reasoning": "", "step": {"intent": "done_for_now", "message": "Hello"}}'
HELLO = DoneForNow(message="Hello")


@pytest.fixture
async def chat() -> AsyncIterator[OpenAIHarness]:
    """Yield a model with a fake server other than OpenAI's."""
    async with FakeOpenAI.running() as provider:
        model = build_model(provider, "chat")
        yield OpenAIHarness(provider, model)
        await model.close()


def requested_formats(provider: FakeOpenAI) -> list[str]:
    return [(call.body.get("response_format") or {}).get("type", "none") for call in provider.received]


@pytest.mark.parametrize(
    ("unsupported", "expected_formats"),
    [
        ({"json_schema"}, ["json_schema", "json_object"]),
        ({"json_schema", "json_object"}, ["json_schema", "json_object", "none"]),
    ],
)
async def test_rejected_schema_is_left_out_from_then_on(
    chat: OpenAIHarness, unsupported: set[str], expected_formats: list[str]
) -> None:
    chat.provider.unsupported = frozenset(unsupported)
    chat.provider.will_say_raw(REPLY)
    chat.provider.will_say_raw(REPLY)

    assert (await chat.complete()).step == HELLO
    assert (await chat.complete()).step == HELLO
    assert requested_formats(chat.provider) == [*expected_formats, expected_formats[-1]]
    assert all("JSON schema" in call.system for call in chat.provider.received)


async def test_server_without_const_is_called_once(chat: OpenAIHarness) -> None:
    chat.provider.unsupported = frozenset({"const"})
    chat.provider.will_choose("done_for_now", message="Hello")

    assert (await chat.complete()).step == HELLO
    assert requested_formats(chat.provider) == ["json_schema"]


@pytest.mark.parametrize("rejected", ["stream_options", "stream"])
async def test_rejected_option_is_left_out_and_the_schema_stays(chat: OpenAIHarness, rejected: str) -> None:
    chat.provider.unsupported = frozenset({rejected})
    chat.provider.will_say_raw(REPLY)
    chat.provider.will_say_raw(REPLY)

    assert [(await chat.complete()).step for _ in range(2)] == [HELLO, HELLO]
    assert requested_formats(chat.provider) == ["json_schema"] * len(chat.provider.received)
    assert [rejected in call.body for call in chat.provider.received][-2:] == [False, False]


async def test_unverified_organization_at_openai_is_not_streamed() -> None:
    async with FakeOpenAI.running() as provider:
        provider.unsupported = frozenset({"stream"})
        provider.will_choose("done_for_now", message="Hello")
        model = build_model(provider, "responses")
        completion = await model.complete(MODEL_REQUEST)
        await model.close()

    assert completion.step == HELLO
    assert [call.is_streaming for call in provider.received] == [True, False]


@pytest.mark.parametrize("status", [400, 422])
async def test_rejection_without_a_message_drops_the_schema(chat: OpenAIHarness, status: int) -> None:
    for _ in range(3):
        chat.provider.will_answer(b"<html>", status=status, kind="text/html")

    assert (await chat.complete()).outcome is CompletionOutcome.BAD_REQUEST
    assert requested_formats(chat.provider) == ["json_schema", "json_object", "none"]


async def test_unsuccessful_dialect_is_not_remembered(chat: OpenAIHarness) -> None:
    for _ in range(3):
        chat.provider.will_fail(400, message="the schema is too odd")
    chat.provider.will_choose("done_for_now", message="Hello")

    assert (await chat.complete()).outcome is CompletionOutcome.BAD_REQUEST
    assert (await chat.complete()).step == HELLO
    assert requested_formats(chat.provider)[-1] == "json_schema"


async def test_other_rejection_is_not_retried(chat: OpenAIHarness) -> None:
    chat.provider.will_fail(400, message="maximum context length is 8192 tokens")

    completion = await chat.complete()
    assert (completion.outcome, len(chat.provider.received)) == (CompletionOutcome.BAD_REQUEST, 1)


@pytest.mark.parametrize("can_stream", [True, False], ids=["streamed", "at once"])
@pytest.mark.parametrize("location", ["parts", "thoughts"])
async def test_answer_is_found_in_every_known_field(
    chat: OpenAIHarness, location: AnswerLocation, *, can_stream: bool
) -> None:
    chat.provider.answer_location, chat.provider.can_stream = location, can_stream
    chat.provider.will_say_raw(REPLY)

    assert (await chat.complete(lambda _: None)).step == HELLO
    assert len(chat.provider.received) == 1


@pytest.mark.parametrize("can_stream", [True, False], ids=["streamed", "at once"])
async def test_reasoning_without_an_object_is_an_empty_answer(chat: OpenAIHarness, *, can_stream: bool) -> None:
    chat.provider.answer_location, chat.provider.can_stream = "thoughts", can_stream
    chat.provider.will_say_raw("They said hi, so I could answer.")

    assert (await chat.complete()).outcome is CompletionOutcome.EMPTY


async def test_done_stream_without_a_finish_reason_counts(chat: OpenAIHarness) -> None:
    partials: list[str] = []
    chat.provider.is_finish_reason_omitted = True
    chat.provider.will_say_raw(REPLY)

    assert (await chat.complete(partials.append)).step == HELLO
    assert partials[-1] == "Hello"


@pytest.mark.parametrize("template", ["{}", "Sure!\n```jsonc\n{}\n```", "<thinking>hm</thinking>{}", "\ufeff{}"])
async def test_wrapped_object_needs_one_call(chat: OpenAIHarness, template: str) -> None:
    chat.provider.will_say_raw(template.format(REPLY))

    assert (await chat.complete()).step == HELLO


async def test_rejected_generation_is_an_invalid_answer(chat: OpenAIHarness) -> None:
    chat.provider.will_refuse_generation('{"step": {"intent": "done_for_now", "message": "Hel')

    completion = await chat.complete()
    assert completion.outcome is CompletionOutcome.INVALID
    assert completion.rejected_text.startswith('{"step": {"intent"')
    assert "valid JSON" in completion.detail


async def test_rejected_generation_with_a_valid_object_is_used(chat: OpenAIHarness) -> None:
    chat.provider.will_refuse_generation(f"Here you are: {REPLY}")

    assert (await chat.complete()).step == HELLO


async def test_slow_stream_does_not_time_out() -> None:
    async with FakeOpenAI.running() as provider:
        provider.split_text, provider.chunk_delay_seconds = lambda text: [text[:20], text[20:40], text[40:]], 0.9
        provider.will_say_raw(REPLY)
        model = build_model(provider, "chat", timeout=3.0)
        completion = await model.complete(MODEL_REQUEST)
        await model.close()

    assert completion.step == HELLO


async def test_endless_answer_is_truncated() -> None:
    async with FakeOpenAI.running() as provider:
        provider.split_text = lambda text: [text[at : at + 50_000] for at in range(0, len(text), 50_000)]
        provider.will_break_off("x" * 600_000, "hang")
        model = build_model(provider, "chat")
        completion = await model.complete(MODEL_REQUEST)
        await model.close()

    assert (completion.outcome, "fewer words" in completion.detail) == (CompletionOutcome.TRUNCATED, True)


SDK_ENVIRONMENT = {
    "OPENAI_ORG_ID": "org-private",
    "OPENAI_PROJECT_ID": "proj-private",
    "OPENAI_ADMIN_KEY": "sk-admin-private",
    "OPENAI_WEBHOOK_SECRET": "whsec-private",
    "OPENAI_CUSTOM_HEADERS": "Authorization: Bearer private\nX-Private: private",
    "OPENAI_LOG": "debug",
    "HTTP_PROXY": "http://127.0.0.1:1",
}


async def complete_once(provider: FakeOpenAI) -> Completion:
    provider.will_choose("done_for_now", message="Hello")
    model = OpenAIModel(provider.key, provider.base_url, provider.model)
    completion = await model.complete(MODEL_REQUEST)
    await model.close()
    return completion


async def test_sdk_environment_variables_have_no_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SDK_ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    async with FakeOpenAI.running() as provider:
        assert (await complete_once(provider)).step == HELLO

    (headers,) = provider.headers
    assert not [name for name, value in headers.items() if "private" in value]
    assert headers["authorization"] == "Bearer test-key"


@pytest.mark.parametrize(("name", "value"), [("ALL_PROXY", "socks5://127.0.0.1:1"), ("SSL_CERT_FILE", "/nowhere.pem")])
async def test_invalid_proxy_variable_does_not_stop_calls(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    async with FakeOpenAI.running() as provider:
        assert (await complete_once(provider)).step == HELLO
