"""The model behind any OpenAI-compatible endpoint: one call, no hidden retries, every end told as a Completion."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import openai
from pydantic import ValidationError

from agents.budget import Usage
from agents.completion import Completion, Outcome
from agents.errors import Invalid, Misconfigured
from agents.model import Model, Turn
from agents.openai_answer import Answer, chat_answer, response_answer
from agents.openai_refusal import plain_words, refusal, retry_after
from agents.prompt import Prompt
from agents.schema import wire_schema
from agents.wire import parse_step, unwrapped

DEFAULT_MODEL = "gpt-5.4-mini"
OPENAI_URL = "https://api.openai.com/v1"
CONNECT_SECONDS = 5.0
_CHARACTERS_PER_TOKEN = 4
_NO_KEY = "none"  # the client insists on a key; servers at home ignore it


class OpenAIModel:
    """Chat Completions everywhere but at api.openai.com, where Responses is used and nothing is stored.

    `timeout` is seconds for the whole call, however slowly the answer trickles in. `http_client` is for tests.
    """

    def __init__(
        self,
        api_key: str,
        base_url: str | None = None,
        model: str = DEFAULT_MODEL,
        *,
        timeout: float = 60.0,
        http_client: openai.DefaultAsyncHttpxClient | None = None,
    ) -> None:
        self._key = api_key.strip()
        self._host = urlsplit(base_url or OPENAI_URL).hostname or ""
        self._model = model
        self._timeout = timeout
        self._client = openai.AsyncOpenAI(
            api_key=self._key or _NO_KEY,
            base_url=base_url or OPENAI_URL,
            timeout=openai.Timeout(timeout, connect=min(CONNECT_SECONDS, timeout)),
            max_retries=0,  # our own loop retries: every attempt is an event and counts against the budget
            http_client=http_client,
        )

    async def complete(self, turn: Turn) -> Completion:
        """Choose the next step. Every end but cancellation is a Completion."""
        try:
            prompt, schema = self._asked(turn)
            async with asyncio.timeout(self._timeout):
                body = await (self._respond(prompt, schema) if self._at_openai else self._chat(prompt, schema))
        except (openai.APITimeoutError, TimeoutError):
            return self._ended(Outcome.TIMEOUT, f"no answer within {self._timeout:g} seconds")
        except openai.APIStatusError as error:
            return self._refused(error)
        except openai.OpenAIError:
            return self._ended(Outcome.UNAVAILABLE, f"no connection to {self._host}")
        except Misconfigured as error:
            return self._ended(Outcome.REJECTED, str(error))
        except ValueError as error:
            return self._ended(Outcome.REJECTED, f"the call cannot be written: {type(error).__name__}")
        return self._read(body, turn, prompt)

    async def close(self) -> None:
        """Give up the connections."""
        await self._client.close()

    @property
    def _at_openai(self) -> bool:
        return self._host == "api.openai.com"

    def _asked(self, turn: Turn) -> tuple[Prompt, dict[str, Any]]:
        """The prompt and the schema. A server that may not enforce the schema is told it in words as well."""
        schema = wire_schema(turn.agent.tools, turn.agent.asks)
        if self._at_openai:
            return turn.prompt, schema
        told = f"Answer with one JSON object, nothing around it, that fits this JSON schema:\n{_compact(schema)}"
        return turn.prompt.model_copy(update={"system": f"{turn.prompt.system}\n\n{told}"}), schema

    async def _chat(self, prompt: Prompt, schema: dict[str, Any]) -> bytes:
        answer = await self._client.chat.completions.with_raw_response.create(
            model=self._model,
            messages=[{"role": "system", "content": prompt.system}, {"role": "user", "content": prompt.user}],
            response_format={
                "type": "json_schema",
                "json_schema": {"name": "next_step", "strict": True, "schema": schema},
            },
        )
        return answer.content

    async def _respond(self, prompt: Prompt, schema: dict[str, Any]) -> bytes:
        answer = await self._client.responses.with_raw_response.create(
            model=self._model,
            input=[{"role": "system", "content": prompt.system}, {"role": "user", "content": prompt.user}],
            store=False,
            text={"format": {"type": "json_schema", "name": "next_step", "strict": True, "schema": schema}},
        )
        return answer.content

    def _read(self, body: bytes, turn: Turn, prompt: Prompt) -> Completion:
        try:
            answer = response_answer(body) if self._at_openai else chat_answer(body)
        except ValidationError:
            return self._ended(Outcome.FAILED, f"{self._host} answered with something that is no answer of its API")
        usage = answer.usage or _estimated(prompt, answer)
        if answer.trouble is not None:
            return self._ended(answer.trouble, plain_words(answer.detail, self._key), usage)
        text = answer.text if self._at_openai else unwrapped(answer.text)
        if not text.strip():
            return self._ended(Outcome.EMPTY, "the answer was empty; choose a step", usage)
        try:
            reasoning, step = parse_step(text, turn.agent)
        except Invalid as error:
            return self._ended(Outcome.INVALID, str(error), usage)
        return Completion(outcome=Outcome.OK, model=self._model, step=step, reasoning=reasoning, usage=usage)

    def _refused(self, error: openai.APIStatusError) -> Completion:
        outcome = refusal(error.status_code, (error.code, error.type))
        said = "" if outcome is Outcome.DENIED else plain_words(_message(error), self._key)
        return Completion(
            outcome=outcome,
            model=self._model,
            detail=f"{self._host} answered {error.status_code}" + (f": {said}" if said else ""),
            retry_after=retry_after(error.response.headers, datetime.now(UTC)) if outcome.retryable else None,
        )

    def _ended(self, outcome: Outcome, detail: str, usage: Usage | None = None) -> Completion:
        return Completion(outcome=outcome, model=self._model, detail=detail, usage=usage)


def _message(error: openai.APIStatusError) -> str:
    """The provider's own word for an error; a page of HTML has none."""
    said = error.body.get("message") if isinstance(error.body, dict) else None
    return said if isinstance(said, str) else ""


def _estimated(prompt: Prompt, answer: Answer) -> Usage:
    asked = len(prompt.system) + len(prompt.user)
    return Usage(input=asked // _CHARACTERS_PER_TOKEN, output=len(answer.text) // _CHARACTERS_PER_TOKEN, estimated=True)


def _compact(schema: dict[str, Any]) -> str:
    return json.dumps(schema, ensure_ascii=False, separators=(",", ":"))


_: type[Model] = OpenAIModel
