"""Tests of the fake models: unexpected calls fail a test."""

import time
from typing import Any

import pytest

from agents.core.agent import Agent
from agents.core.completion import Completion, CompletionOutcome
from agents.core.state import ThreadState
from agents.core.steps import DoneForNow, NothingToDo
from agents.llm.base import ModelRequest
from agents.llm.openai.model import OpenAIModel
from agents.llm.prompt import Prompt
from tests.fakes.openai_schema_rules import schema_violations
from tests.fakes.openai_server import FakeOpenAI
from tests.fakes.scripted_model import ScriptedModel, scripted_model
from tests.harness.time_limits import promised_seconds

AGENT = Agent(name="scout", purpose="Looks around.", instructions="Look.", tools=())
MODEL_REQUEST = ModelRequest(ThreadState(thread_id="t1"), AGENT, Prompt(system="You are a scout.", user="hi"))


async def call_model(provider: FakeOpenAI, **settings: Any) -> Completion:
    model = OpenAIModel(**{"api_key": provider.key, "base_url": provider.base_url, "model": provider.model, **settings})
    completion = await model.complete(MODEL_REQUEST)
    await model.close()
    return completion


async def choose_step(step: dict[str, Any]) -> None:
    async with FakeOpenAI.running() as provider:
        provider.will_choose(**step)
        await call_model(provider)


async def test_provider_starts_quickly() -> None:
    started_at = time.perf_counter()
    async with FakeOpenAI.running():
        assert time.perf_counter() - started_at < promised_seconds(0.5)


async def test_unexpected_call_fails_the_test() -> None:
    with pytest.raises(AssertionError, match="an unexpected call: hi"):
        async with FakeOpenAI.running() as provider:
            await call_model(provider)


async def test_unused_answer_fails_the_test() -> None:
    with pytest.raises(AssertionError, match="1 unused answers"):
        async with FakeOpenAI.running() as provider:
            provider.will_choose("done_for_now", message="bye")


async def test_wrong_key_fails_the_test() -> None:
    with pytest.raises(AssertionError, match="Incorrect API key"):
        async with FakeOpenAI.running() as provider:
            await call_model(provider, api_key="stolen")


async def test_wrong_model_fails_the_test() -> None:
    with pytest.raises(AssertionError, match="there is no model 'other'"):
        async with FakeOpenAI.running() as provider:
            await call_model(provider, model="other")


async def test_unknown_path_fails_the_test() -> None:
    with pytest.raises(AssertionError, match="there is no POST /v2/chat/completions"):
        async with FakeOpenAI.running() as provider:
            await call_model(provider, base_url=f"http://127.0.0.1:{provider.port}/v2")


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        ({"intent": "fly"}, "no step 'fly'"),
        ({"intent": "done_for_now"}, "needs message"),
        ({"intent": "done_for_now", "message": "bye", "mood": "blue"}, "has no mood"),
    ],
)
async def test_step_that_violates_the_schema_fails_the_test(step: dict[str, Any], reason: str) -> None:
    with pytest.raises(AssertionError, match=reason):
        await choose_step(step)


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ({"anyOf": [{"type": "string"}]}, "the root must be an object"),
        ({"type": "object", "properties": {}}, "additionalProperties must be false"),
        ({"type": "object", "additionalProperties": False, "properties": {"a": {"type": "string"}}}, "be required"),
        ({"type": "object", "additionalProperties": False, "oneOf": []}, "'oneOf' is not permitted"),
        (
            {"type": "object", "additionalProperties": False, "properties": {"a": {}}, "required": ["a"]},
            "a type is missing",
        ),
    ],
)
def test_schema_that_is_not_strict_is_reported(schema: dict[str, Any], reason: str) -> None:
    assert any(reason in rule for rule in schema_violations(schema))


async def test_scripted_steps_are_chosen_in_order() -> None:
    bye = DoneForNow(message="bye")
    with scripted_model(
        bye, {"intent": "done_for_now", "message": "ciao"}, Completion(outcome=CompletionOutcome.EMPTY, model="m")
    ) as m:
        completions = [await m.complete(MODEL_REQUEST) for _ in range(3)]

    assert [completion.step for completion in completions] == [bye, DoneForNow(message="ciao"), None]
    assert m.received == [MODEL_REQUEST] * 3


async def test_scripted_reply_is_streamed_word_by_word() -> None:
    partials: list[str] = []
    with scripted_model(NothingToDo(reason="all is quiet"), DoneForNow(message="See you soon")) as m:
        for _ in range(2):
            await m.complete(MODEL_REQUEST, partials.append)

    assert partials == ["See", "See you", "See you soon"]


async def test_call_after_the_script_fails_even_if_its_error_is_caught() -> None:
    model = ScriptedModel()
    with pytest.raises(AssertionError, match="not expected to be called again: hi"):
        await model.complete(MODEL_REQUEST)

    with pytest.raises(AssertionError, match="1 times more than scripted"):
        model.assert_called_as_scripted()


def test_unfinished_script_fails_the_test() -> None:
    with pytest.raises(AssertionError, match="1 steps were never used"), scripted_model(DoneForNow(message="bye")):
        pass
