"""Harness for OpenAIModel: the real client over real sockets, with a fake provider."""

from dataclasses import dataclass
from typing import Any

import openai

from agents.core.agent import Agent
from agents.core.completion import Completion
from agents.core.state import ThreadState
from agents.core.tools import ToolContext, ToolResult, tool
from agents.llm.base import ModelRequest, OnPartialReply
from agents.llm.openai.model import OPENAI_URL, OpenAIModel
from agents.llm.prompt import Prompt
from tests.fakes.openai_server import Api, FakeOpenAI


@tool(effect="read")
def look(context: ToolContext, where: str, depth: int = 3) -> ToolResult:
    """Look around."""
    return ToolResult(summary=f"{context.key} {where} {depth}")


AGENT = Agent(name="scout", purpose="Looks around.", instructions="Look.", tools=(look,))
MODEL_REQUEST = ModelRequest(
    ThreadState(thread_id="t1"), AGENT, Prompt(system="You are a scout.", user="<message>hi</message>")
)


@dataclass
class OpenAIHarness:
    """A model and its fake provider."""

    provider: FakeOpenAI
    model: OpenAIModel

    async def complete(self, on_partial: OnPartialReply | None = None) -> Completion:
        return await self.model.complete(MODEL_REQUEST, on_partial)


def build_model(provider: FakeOpenAI, api: Api, timeout: float = 30.0) -> OpenAIModel:
    """Return a model with the real client. For Responses it has OpenAI's URL, and requests are redirected."""
    if api == "chat":
        return OpenAIModel(provider.key, provider.base_url, provider.model, timeout=timeout)

    async def redirect_to_provider(request: Any) -> None:
        request.url = request.url.copy_with(scheme="http", host="127.0.0.1", port=provider.port)

    client = openai.DefaultAsyncHttpxClient(event_hooks={"request": [redirect_to_provider]})
    return OpenAIModel(provider.key, OPENAI_URL, provider.model, timeout=timeout, http_client=client)
