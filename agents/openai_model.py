"""The model behind any OpenAI-compatible endpoint: one call, no hidden retries, every end told as a Completion."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

import openai
from pydantic import ValidationError

from agents.completion import Completion, Outcome
from agents.drafting import Draft
from agents.errors import Misconfigured
from agents.model import Model, Turn, Words
from agents.openai_answer import Answer, chat_answer, failed, model_names, refused_generation, response_answer
from agents.openai_client import make_client
from agents.openai_dialect import Dialect
from agents.openai_reading import ended, read_answer
from agents.openai_refusal import advice, plain_words, refusal, retry_after, words_of
from agents.openai_request import chat_request, response_request, with_schema_in_words
from agents.openai_stream import TOO_LONG, Streamed, StreamedChat, StreamedResponse
from agents.prompt import Prompt
from agents.schema import wire_schema

DEFAULT_MODEL = "gpt-5.4-mini"
OPENAI_URL = "https://api.openai.com/v1"
SILENCE_TIMEOUT_SECONDS = 60.0
CALL_TIMEOUT_SECONDS = 1800.0
MAX_ANSWER_CHARACTERS = 500_000
"""Thoughts included. A small model that cannot find the end of its answer would go on until its context is full."""

T = TypeVar("T")
Tell = Callable[[str], None]


@dataclass(frozen=True)
class _Question:
    """What is asked, in a form the server understands. `alive` is called with every sign of an answer."""

    prompt: Prompt
    schema: dict[str, Any]
    dialect: Dialect
    tell: Tell
    alive: Callable[[], None]


class OpenAIModel:
    """Chat Completions everywhere but at api.openai.com, where Responses is used and nothing is stored.

    `timeout` is seconds of silence: up to the first token, and between tokens. A server that does not stream has as
    long for its whole answer. What a server refuses of the request is left out from then on. Tests give `http_client`.
    """

    def __init__(
        self,
        api_key: str,
        base_url: str | None = None,
        model: str = DEFAULT_MODEL,
        *,
        timeout: float = SILENCE_TIMEOUT_SECONDS,
        http_client: openai.DefaultAsyncHttpxClient | None = None,
    ) -> None:
        self._key = api_key.strip()
        self._host = urlsplit(base_url or OPENAI_URL).hostname or ""
        self._model = model
        self._timeout = timeout
        # Responses knows neither `response_format` nor `stream_options`.
        self._dialect = Dialect(response_format="none", counts_tokens=False) if self._at_openai else Dialect()
        self._client = make_client(self._key, base_url or OPENAI_URL, http_client)

    async def complete(self, turn: Turn, words: Words | None = None) -> Completion:
        """Choose the next step. Every end but cancellation is a Completion."""
        draft = Draft(wrapped=not self._at_openai)
        completion = await self._completed(turn, lambda piece: _tell(draft, words, piece))
        if completion.step is not None and not draft.fits(completion.step):
            return ended(self._model, Outcome.FAILED, "the answer is not the one that was streamed", completion.usage)
        return completion

    async def names(self) -> tuple[str, ...] | Completion:
        """Return the models the server has, or how the question failed. It costs nothing."""
        try:
            async with asyncio.timeout(self._timeout):
                told = await self._client.models.with_raw_response.list()
        except TimeoutError:
            return ended(self._model, Outcome.TIMEOUT, f"{self._host} sent nothing for {self._timeout:g} seconds")
        except (openai.OpenAIError, ValueError) as error:
            return self._failure(error)
        return model_names(told.content)

    async def close(self) -> None:
        """Give up the connections."""
        await self._client.close()

    @property
    def _at_openai(self) -> bool:
        return self._host == "api.openai.com"

    async def _completed(self, turn: Turn, tell: Tell) -> Completion:
        try:
            prompt, schema = self._asked(turn)
            answer = await self._answered(prompt, schema, tell)
        except TimeoutError as error:
            return ended(self._model, Outcome.TIMEOUT, f"{self._host} {error}")
        except (openai.OpenAIError, Misconfigured, ValueError) as error:
            return self._failure(error)
        if answer is None:
            words = f"{self._host} answered with something that is no answer of its API"
            return ended(self._model, Outcome.FAILED, words)
        safe = answer.model_copy(update={"detail": plain_words(answer.detail, self._key)})
        return read_answer(
            safe, turn.agent, self._model, is_strict=self._at_openai, asked=len(prompt.system) + len(prompt.user)
        )

    def _asked(self, turn: Turn) -> tuple[Prompt, dict[str, Any]]:
        """The prompt and the schema. A server that may not enforce the schema is told it in words as well."""
        schema = wire_schema(turn.agent.tools, turn.agent.asks)
        return turn.prompt if self._at_openai else with_schema_in_words(turn.prompt, schema), schema

    async def _answered(self, prompt: Prompt, schema: dict[str, Any], tell: Tell) -> Answer | None:
        """Ask, and once more without each part the server refuses; what worked is remembered."""
        dialect = self._dialect
        while True:
            try:
                answer = await self._in_time(prompt, schema, dialect, tell)
            except openai.APIStatusError as error:
                body = _body(error)
                if (written := refused_generation(body)) is not None:
                    return failed(body, written)
                simpler = dialect.without_refused(error.status_code, body)
                if simpler is None:
                    raise
                dialect = simpler
            else:
                if dialect != self._dialect:
                    self._dialect = dialect
                return answer

    async def _in_time(self, prompt: Prompt, schema: dict[str, Any], dialect: Dialect, tell: Tell) -> Answer | None:
        """One call. Raises TimeoutError in words when the server is silent for too long or never ends."""
        clock = asyncio.get_running_loop().time
        silence = asyncio.timeout(self._timeout)
        try:
            async with asyncio.timeout(CALL_TIMEOUT_SECONDS), silence:
                question = _Question(prompt, schema, dialect, tell, lambda: silence.reschedule(clock() + self._timeout))
                return await (self._streamed(question) if dialect.streams else self._at_once(question))
        except openai.APITimeoutError as error:  # only connecting has a limit there
            raise openai.OpenAIError from error
        except TimeoutError:
            if silence.expired():
                raise TimeoutError(f"sent nothing for {self._timeout:g} seconds") from None
            raise TimeoutError(f"did not end its answer within {CALL_TIMEOUT_SECONDS:g} seconds") from None

    async def _at_once(self, question: _Question) -> Answer | None:
        asked = self._arguments(question)
        if self._at_openai:
            told = await self._client.responses.with_raw_response.create(model=self._model, **asked)
        else:
            told = await self._client.chat.completions.with_raw_response.create(model=self._model, **asked)
        return self._understood(told.content)

    async def _streamed(self, question: _Question) -> Answer | None:
        """The answer as it comes. A server that does not stream answers at once."""
        async with AsyncExitStack() as stack:
            response = await _transported(stack.enter_async_context(self._opened(question)))
            if not response.headers.get("content-type", "").lower().startswith("text/event-stream"):
                question.alive()
                return self._understood(await _transported(response.read()))
            streamed = StreamedResponse() if self._at_openai else StreamedChat()
            return await _followed(await response.parse(to=_Events), streamed, question)

    def _opened(self, question: _Question) -> Any:
        asked = self._arguments(question)
        if self._at_openai:
            return self._client.responses.with_streaming_response.create(model=self._model, stream=True, **asked)
        if question.dialect.counts_tokens:
            asked["stream_options"] = {"include_usage": True}
        return self._client.chat.completions.with_streaming_response.create(model=self._model, stream=True, **asked)

    def _arguments(self, question: _Question) -> dict[str, Any]:
        if self._at_openai:
            return response_request(question.prompt, question.schema)
        return chat_request(question.prompt, question.schema, question.dialect)

    def _understood(self, body: bytes) -> Answer | None:
        """None when it is no answer of the API."""
        try:
            return response_answer(body) if self._at_openai else chat_answer(body)
        except ValidationError:
            return None

    def _failure(self, error: openai.OpenAIError | Misconfigured | ValueError) -> Completion:
        if isinstance(error, openai.APIStatusError):
            return self._refused(error)
        if isinstance(error, openai.OpenAIError):
            return ended(self._model, Outcome.UNAVAILABLE, f"no connection to {self._host}")
        if isinstance(error, Misconfigured):
            return ended(self._model, Outcome.REJECTED, str(error))
        return ended(self._model, Outcome.REJECTED, f"the call cannot be written: {type(error).__name__}")

    def _refused(self, error: openai.APIStatusError) -> Completion:
        codes = (error.code, error.type)
        outcome = refusal(error.status_code, codes)
        said = plain_words(words_of(_body(error)), self._key)
        return Completion(
            outcome=outcome,
            model=self._model,
            detail=f"{self._host} answered {error.status_code}" + (f": {said}" if said else ""),
            retry_after=retry_after(error.response.headers, datetime.now(UTC)) if outcome.retryable else None,
            advice=advice(error.status_code, codes) if outcome is Outcome.DENIED else "",
        )


class _Events(openai.AsyncStream[object]):
    """The events of an answer; `is_done` tells whether the server said `[DONE]`."""

    is_done = False

    async def _iter_events(self) -> AsyncIterator[Any]:
        async for event in super()._iter_events():
            self.is_done = self.is_done or event.data.startswith("[DONE]")
            yield event


def _tell(draft: Draft, words: Words | None, piece: str) -> None:
    message = draft.read(piece) if words is not None else None
    if words is not None and message is not None:
        words(message)


async def _transported(answered: Awaitable[T]) -> T:
    """The client hands on errors of its transport as they are while it streams: here they become its own."""
    try:
        return await answered
    except (openai.OpenAIError, ValueError):
        raise
    except Exception as error:
        raise openai.OpenAIError from error


async def _followed(events: _Events, streamed: Streamed, question: _Question) -> Answer | None:
    """What the events amount to; None when there is one that is none of the API's."""
    try:
        async for event in events:
            question.tell(streamed.take(event))
            question.alive()
            if streamed.length > MAX_ANSWER_CHARACTERS:
                await events.close()
                return TOO_LONG
    except openai.APIConnectionError:
        raise
    except openai.APIError as error:
        return streamed.failed(error.body)
    except (ValueError, RecursionError):
        return None
    return streamed.answer(is_done=events.is_done)


def _body(error: openai.APIStatusError) -> Any:
    """What the provider says of an error, if it is JSON; a page of HTML says nothing."""
    is_json = "json" in error.response.headers.get("content-type", "").lower()
    return error.body if is_json and error.body else None


_: type[Model] = OpenAIModel
