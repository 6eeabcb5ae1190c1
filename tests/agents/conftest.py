from collections.abc import AsyncIterator

import pytest

from tests.agents.line import Line, connected
from tests.fakes.model import FakeOpenAI


@pytest.fixture(params=["chat", "responses"])
async def line(request: pytest.FixtureRequest) -> AsyncIterator[Line]:
    """A line over each of the two APIs."""
    async with FakeOpenAI.running() as provider:
        model = connected(provider, request.param)
        yield Line(provider, model)
        await model.close()
