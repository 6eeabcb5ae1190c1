"""Model behind an OpenAI-compatible endpoint: no hidden retries, and every outcome is a Completion."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

import openai
from pydantic import ValidationError

from agents.core.completion import Completion, CompletionOutcome
from agents.core.errors import ConfigurationError
from agents.llm.answer_object import PartialReplyReader
from agents.llm.base import Model, ModelRequest, OnPartialReply
from agents.llm.openai.client import Dialect, add_schema_to_prompt, chat_request, make_client, response_request
from agents.llm.openai.completion import (
    classify_error,
    extract_error_message,
    failed_completion,
    operator_hint,
    parse_retry_after,
    sanitize_message,
    to_completion,
)
from agents.llm.openai.responses import (
    ModelResponse,
    error_result,
    extract_rejected_generation,
    parse_chat,
    parse_model_names,
    parse_response,
)
from agents.llm.openai.streaming import OVERLONG_RESPONSE, ChatAccumulator, ResponseAccumulator, StreamAccumulator
from agents.llm.output_schema import output_schema
from agents.llm.prompt import Prompt

DEFAULT_MODEL = "gpt-5.4-mini"
OPENAI_URL = "https://api.openai.com/v1"
SILENCE_TIMEOUT_SECONDS = 60.0
CALL_TIMEOUT_SECONDS = 1800.0
MAX_ANSWER_CHARACTERS = 500_000
"""Limit with reasoning included. Without it, a small model may write until its context window is full."""

T = TypeVar("T")
OnText = Callable[[str], None]


@dataclass(frozen=True)
class _ApiCall:
    """One call to the server. `on_text` gets each piece of the answer; `on_activity` is called for each event."""

    prompt: Prompt
    schema: dict[str, Any]
    dialect: Dialect
    on_text: OnText
    on_activity: Callable[[], None]


class OpenAIModel:
    """Model that calls Responses at api.openai.com (without storage) and Chat Completions at other servers.

    `timeout` is the maximum time in seconds without an event: before the first token, and between tokens. For a server
    that does not stream it limits the whole call. Parts of a request that the server rejects are left out from then on.
    `http_client` brings the proxy and certificates.
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
        # Responses has neither `response_format` nor `stream_options`.
        self._dialect = Dialect(response_format="none", supports_stream_usage=False) if self._is_openai else Dialect()
        self._client = make_client(self._key, base_url or OPENAI_URL, http_client)

    async def complete(self, model_request: ModelRequest, on_partial: OnPartialReply | None = None) -> Completion:
        """Choose the next step. Every failure is a Completion; only cancellation raises."""
        reader = PartialReplyReader(may_be_wrapped=not self._is_openai)
        completion = await self._complete_call(
            model_request, lambda chunk: _report_partial_reply(reader, on_partial, chunk)
        )
        if completion.step is not None and not reader.matches(completion.step):
            return failed_completion(
                self._model,
                CompletionOutcome.FAILED,
                "the answer differs from the streamed text",
                completion.usage,
            )
        return completion

    async def list_models(self) -> tuple[str, ...] | Completion:
        """Return the names of the server's models, or a failed Completion. The call is free of charge."""
        try:
            async with asyncio.timeout(self._timeout):
                response = await self._client.models.with_raw_response.list()
        except TimeoutError:
            return failed_completion(
                self._model, CompletionOutcome.TIMEOUT, f"{self._host} sent nothing for {self._timeout:g} seconds"
            )
        except (openai.OpenAIError, ValueError) as error:
            return self._failed_completion(error)
        return parse_model_names(response.content)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    @property
    def _is_openai(self) -> bool:
        return self._host == "api.openai.com"

    async def _complete_call(self, model_request: ModelRequest, on_text: OnText) -> Completion:
        try:
            prompt, schema = self._prompt_and_schema(model_request)
            response = await self._request_with_fallback(prompt, schema, on_text)
        except TimeoutError as error:
            return failed_completion(self._model, CompletionOutcome.TIMEOUT, f"{self._host} {error}")
        except (openai.OpenAIError, ConfigurationError, ValueError) as error:
            return self._failed_completion(error)
        if response is None:
            detail = f"the answer of {self._host} does not fit its API"
            return failed_completion(self._model, CompletionOutcome.FAILED, detail)
        sanitized = response.model_copy(update={"detail": sanitize_message(response.detail, self._key)})
        return to_completion(
            sanitized,
            model_request.agent,
            self._model,
            is_strict=self._is_openai,
            request_characters=len(prompt.system) + len(prompt.user),
        )

    def _prompt_and_schema(self, model_request: ModelRequest) -> tuple[Prompt, dict[str, Any]]:
        """Return the prompt and the schema. For servers that may not enforce the schema, the prompt contains it."""
        schema = output_schema(model_request.agent.tools, model_request.agent.asks)
        return model_request.prompt if self._is_openai else add_schema_to_prompt(model_request.prompt, schema), schema

    async def _request_with_fallback(
        self, prompt: Prompt, schema: dict[str, Any], on_text: OnText
    ) -> ModelResponse | None:
        """Send the request, again without each part that the server rejects, and remember the dialect that worked."""
        dialect = self._dialect
        while True:
            try:
                response = await self._request_with_timeout(prompt, schema, dialect, on_text)
            except openai.APIStatusError as error:
                body = _error_body(error)
                if (rejected := extract_rejected_generation(body)) is not None:
                    return error_result(body, rejected)
                simpler = dialect.without_rejected_part(error.status_code, body)
                if simpler is None:
                    raise
                dialect = simpler
            else:
                if dialect != self._dialect:
                    self._dialect = dialect
                return response

    async def _request_with_timeout(
        self, prompt: Prompt, schema: dict[str, Any], dialect: Dialect, on_text: OnText
    ) -> ModelResponse | None:
        """Send one request. Raises TimeoutError, with a message, after too long a silence or too long a call."""
        clock = asyncio.get_running_loop().time
        silence = asyncio.timeout(self._timeout)
        try:
            async with asyncio.timeout(CALL_TIMEOUT_SECONDS), silence:
                call = _ApiCall(prompt, schema, dialect, on_text, lambda: silence.reschedule(clock() + self._timeout))
                return await (self._request_streamed(call) if dialect.supports_streaming else self._request_whole(call))
        except openai.APITimeoutError as error:  # the client limits only the time to connect
            raise openai.OpenAIError from error
        except TimeoutError:
            if silence.expired():
                raise TimeoutError(f"sent nothing for {self._timeout:g} seconds") from None
            raise TimeoutError(f"did not end its answer within {CALL_TIMEOUT_SECONDS:g} seconds") from None

    async def _request_whole(self, call: _ApiCall) -> ModelResponse | None:
        arguments = self._request_arguments(call)
        if self._is_openai:
            response = await self._client.responses.with_raw_response.create(model=self._model, **arguments)
        else:
            response = await self._client.chat.completions.with_raw_response.create(model=self._model, **arguments)
        return self._parse_body(response.content)

    async def _request_streamed(self, call: _ApiCall) -> ModelResponse | None:
        """Send a request with streaming. A server that does not stream sends the whole answer instead."""
        async with AsyncExitStack() as stack:
            response = await _with_client_errors(stack.enter_async_context(self._open_stream(call)))
            if not response.headers.get("content-type", "").lower().startswith("text/event-stream"):
                call.on_activity()
                return self._parse_body(await _with_client_errors(response.read()))
            accumulator = ResponseAccumulator() if self._is_openai else ChatAccumulator()
            return await _consume_events(await response.parse(to=_EventStream), accumulator, call)

    def _open_stream(self, call: _ApiCall) -> Any:
        arguments = self._request_arguments(call)
        if self._is_openai:
            return self._client.responses.with_streaming_response.create(model=self._model, stream=True, **arguments)
        if call.dialect.supports_stream_usage:
            arguments["stream_options"] = {"include_usage": True}
        return self._client.chat.completions.with_streaming_response.create(model=self._model, stream=True, **arguments)

    def _request_arguments(self, call: _ApiCall) -> dict[str, Any]:
        if self._is_openai:
            return response_request(call.prompt, call.schema)
        return chat_request(call.prompt, call.schema, call.dialect)

    def _parse_body(self, body: bytes) -> ModelResponse | None:
        """Return the response; None when the body does not fit the API."""
        try:
            return parse_response(body) if self._is_openai else parse_chat(body)
        except ValidationError:
            return None

    def _failed_completion(self, error: openai.OpenAIError | ConfigurationError | ValueError) -> Completion:
        if isinstance(error, openai.APIStatusError):
            return self._rejected_completion(error)
        if isinstance(error, openai.OpenAIError):
            return failed_completion(self._model, CompletionOutcome.UNAVAILABLE, f"no connection to {self._host}")
        if isinstance(error, ConfigurationError):
            return failed_completion(self._model, CompletionOutcome.BAD_REQUEST, str(error))
        return failed_completion(
            self._model, CompletionOutcome.BAD_REQUEST, f"the request cannot be encoded: {type(error).__name__}"
        )

    def _rejected_completion(self, error: openai.APIStatusError) -> Completion:
        codes = (error.code, error.type)
        outcome = classify_error(error.status_code, codes)
        message = sanitize_message(extract_error_message(_error_body(error)), self._key)
        return Completion(
            outcome=outcome,
            model=self._model,
            detail=f"{self._host} answered {error.status_code}" + (f": {message}" if message else ""),
            retry_after=parse_retry_after(error.response.headers, datetime.now(UTC)) if outcome.is_retryable else None,
            operator_hint=operator_hint(error.status_code, codes) if outcome is CompletionOutcome.AUTH_FAILED else "",
        )


class _EventStream(openai.AsyncStream[object]):
    """Stream of an answer's events; `is_done` is true once the server has sent `[DONE]`."""

    is_done = False

    async def _iter_events(self) -> AsyncIterator[Any]:
        async for event in super()._iter_events():
            self.is_done = self.is_done or event.data.startswith("[DONE]")
            yield event


def _report_partial_reply(reader: PartialReplyReader, on_partial: OnPartialReply | None, chunk: str) -> None:
    message = reader.feed(chunk) if on_partial is not None else None
    if on_partial is not None and message is not None:
        on_partial(message)


async def _with_client_errors(awaitable: Awaitable[T]) -> T:
    """Await, and convert transport errors to OpenAIError: while streaming, the SDK does not convert them."""
    try:
        return await awaitable
    except (openai.OpenAIError, ValueError):
        raise
    except Exception as error:
        raise openai.OpenAIError from error


async def _consume_events(events: _EventStream, accumulator: StreamAccumulator, call: _ApiCall) -> ModelResponse | None:
    """Return the response of a stream; None when an event does not fit the API."""
    try:
        async for event in events:
            call.on_text(accumulator.feed(event))
            call.on_activity()
            if accumulator.length > MAX_ANSWER_CHARACTERS:
                await events.close()
                return OVERLONG_RESPONSE
    except openai.APIConnectionError:
        raise
    except openai.APIError as error:
        return accumulator.result_after_error(error.body)
    except (ValueError, RecursionError):
        return None
    return accumulator.result(is_done=events.is_done)


def _error_body(error: openai.APIStatusError) -> Any:
    """Return the JSON body of an error; None for another content type, such as an HTML page."""
    is_json = "json" in error.response.headers.get("content-type", "").lower()
    return error.body if is_json and error.body else None


_: type[Model] = OpenAIModel  # mypy checks that the class implements the protocol
