from collections.abc import AsyncIterator

import pytest

from tests.agents.llm.openai.openai_harness import OpenAIHarness, build_model
from tests.fakes.openai_server import FakeOpenAI


@pytest.fixture(params=["chat", "responses"])
async def openai_harness(request: pytest.FixtureRequest) -> AsyncIterator[OpenAIHarness]:
    """Return a harness for each of the two OpenAI APIs."""
    async with FakeOpenAI.running() as provider:
        model = build_model(provider, request.param)
        yield OpenAIHarness(provider, model)
        await model.close()
