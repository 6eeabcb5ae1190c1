"""The model behind any OpenAI-compatible endpoint: one call, no hidden retries, every end told as a Completion."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlsplit

import openai
from pydantic import ValidationError

from agents.budget import Usage
from agents.completion import Completion, Outcome
from agents.drafting import Draft
from agents.errors import Invalid, Misconfigured
from agents.model import Model, Turn, Words
from agents.openai_answer import Answer, chat_answer, response_answer
from agents.openai_refusal import plain_words, refusal, retry_after
from agents.openai_request import chat_request, response_request, with_schema_in_words
from agents.openai_stream import Streamed, StreamedChat, StreamedResponse
from agents.prompt import Prompt
from agents.schema import wire_schema
from agents.answer_object import extract_object
from agents.wire import parse_step

DEFAULT_MODEL = "gpt-5.4-mini"
OPENAI_URL = "https://api.openai.com/v1"
CONNECT_SECONDS = 5.0
T = TypeVar("T")
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

    async def complete(self, turn: Turn, words: Words | None = None) -> Completion:
        """Choose the next step. Every end but cancellation is a Completion. Streams for `words` alone."""
        draft = Draft(wrapped=not self._at_openai)
        completion = await self._completed(turn, words and partial(_tell, draft, words))
        if completion.step is not None and not draft.fits(completion.step):
            return self._ended(Outcome.FAILED, "the answer is not the one that was streamed", completion.usage)
        return completion

    async def close(self) -> None:
        """Give up the connections."""
        await self._client.close()

    @property
    def _at_openai(self) -> bool:
        return self._host == "api.openai.com"

    async def _completed(self, turn: Turn, tell: Callable[[str], None] | None) -> Completion:
        try:
            prompt, schema = self._asked(turn)
            async with asyncio.timeout(self._timeout):
                answer = await (self._streamed(prompt, schema, tell) if tell else self._at_once(prompt, schema))
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
        return self._read(answer, turn, prompt)

    def _asked(self, turn: Turn) -> tuple[Prompt, dict[str, Any]]:
        """The prompt and the schema. A server that may not enforce the schema is told it in words as well."""
        schema = wire_schema(turn.agent.tools, turn.agent.asks)
        return turn.prompt if self._at_openai else with_schema_in_words(turn.prompt, schema), schema

    async def _at_once(self, prompt: Prompt, schema: dict[str, Any]) -> Answer | None:
        if self._at_openai:
            responses = self._client.responses.with_raw_response
            told = await responses.create(model=self._model, **response_request(prompt, schema))
        else:
            chat = self._client.chat.completions.with_raw_response
            told = await chat.create(model=self._model, **chat_request(prompt, schema))
        return self._understood(told.content)

    async def _streamed(self, prompt: Prompt, schema: dict[str, Any], tell: Callable[[str], None]) -> Answer | None:
        """The answer as it comes; `tell` gets each piece of its text. A server that does not stream answers at once."""
        async with AsyncExitStack() as stack:
            response = await _transported(stack.enter_async_context(self._opened(prompt, schema)))
            if not response.headers.get("content-type", "").lower().startswith("text/event-stream"):
                return self._understood(await _transported(response.read()))
            streamed = StreamedResponse() if self._at_openai else StreamedChat()
            return await _followed(await response.parse(to=openai.AsyncStream[object]), streamed, tell)

    def _opened(self, prompt: Prompt, schema: dict[str, Any]) -> Any:
        if self._at_openai:
            responses = self._client.responses.with_streaming_response
            return responses.create(model=self._model, stream=True, **response_request(prompt, schema))
        chat = self._client.chat.completions.with_streaming_response
        return chat.create(
            model=self._model, stream=True, stream_options={"include_usage": True}, **chat_request(prompt, schema)
        )

    def _understood(self, body: bytes) -> Answer | None:
        """None when it is no answer of the API."""
        try:
            return response_answer(body) if self._at_openai else chat_answer(body)
        except ValidationError:
            return None

    def _read(self, answer: Answer | None, turn: Turn, prompt: Prompt) -> Completion:
        if answer is None:
            return self._ended(Outcome.FAILED, f"{self._host} answered with something that is no answer of its API")
        usage = answer.spent(len(prompt.system) + len(prompt.user))
        if answer.trouble is not None:
            return self._ended(answer.trouble, plain_words(answer.detail, self._key), usage)
        text = answer.text if self._at_openai else extract_object(answer.text)
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


def make_http_client(proxy: str | None, tls: ssl.SSLContext) -> openai.DefaultAsyncHttpxClient:
    """Return the client for a model that is reached this way; variables of the machine are not looked at again."""
    return openai.DefaultAsyncHttpxClient(proxy=proxy, verify=tls, trust_env=False)


def _tell(draft: Draft, words: Words, piece: str) -> None:
    message = draft.read(piece)
    if message is not None:
        words(message)


async def _transported(answered: Awaitable[T]) -> T:
    """The client hands on errors of its transport as they are while it streams: here they become its own."""
    try:
        return await answered
    except (openai.OpenAIError, ValueError):
        raise
    except Exception as error:
        raise openai.OpenAIError from error


async def _followed(
    events: openai.AsyncStream[object], streamed: Streamed, tell: Callable[[str], None]
) -> Answer | None:
    """What the events amount to; None when there is one that is none of the API's."""
    try:
        async for event in events:
            tell(streamed.take(event))
    except openai.APIConnectionError:
        raise
    except openai.APIError as error:
        return streamed.failed(error.body)
    except (ValueError, RecursionError):
        return None
    return streamed.answer()


def _message(error: openai.APIStatusError) -> str:
    """The provider's own word for an error; a page of HTML has none."""
    said = error.body.get("message") if isinstance(error.body, dict) else None
    return said if isinstance(said, str) else ""


_: type[Model] = OpenAIModel
