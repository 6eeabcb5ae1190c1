"""Fake model server: OpenAI's two APIs on a loopback port, with scripted answers and strict checks of requests.

    async with FakeOpenAI.running() as model:
        model.will_choose(intent="done_for_now", message="hello")
        ...
        assert "hi" in model.received[-1].user

A call with `stream` gets a stream, with the text split by `split_text`, unless the script says otherwise.

An unexpected call, a call that violates the rules of the API, and an unused answer fail the test at the end of the
block.
"""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Self

from tests.fakes import openai_streams
from tests.fakes.http_server import HttpRequest, HttpResponse, ResponseEnd, running_http_server
from tests.fakes.openai_schema_rules import fill_with_nulls, schema_violations, streaming_violations
from tests.fakes.openai_shapes import (
    AnswerLocation,
    Api,
    FinishReason,
    ModelAnswer,
    TokenUsage,
    chat_completion,
    error,
    failed_response,
    response,
)

__all__ = ["Api", "FakeOpenAI", "ReceivedModelCall"]


@dataclass(frozen=True)
class ReceivedModelCall:
    """One call, over either API."""

    api: Api
    system: str
    user: str
    schema: dict[str, Any]
    body: dict[str, Any]

    @property
    def is_streaming(self) -> bool:
        return self.body.get("stream") is True

    @property
    def has_usage_requested(self) -> bool:
        return bool((self.body.get("stream_options") or {}).get("include_usage"))


def split_every_four(text: str) -> Sequence[str]:
    """Split a text every four characters, about one token."""
    return [text[at : at + 4] for at in range(0, len(text), 4)]


UNSUPPORTED_FEATURES: Mapping[str, tuple[str, Callable[[dict[str, Any]], object]]] = {
    "json_schema": (
        "This response_format type is unavailable now",
        lambda body: (body.get("response_format") or {}).get("type") == "json_schema",
    ),
    "json_object": (
        "'response_format.type' must be 'json_schema' or 'text'",
        lambda body: (body.get("response_format") or {}).get("type") == "json_object",
    ),
    "const": ("Invalid schema: the keyword `const` is not supported", lambda body: '"const"' in json.dumps(body)),
    "stream_options": ("Extra inputs are not permitted: stream_options", lambda body: "stream_options" in body),
    "stream": (
        "Your organization must be verified to stream this model. Unsupported value: 'stream'",
        lambda body: body.get("stream") is True,
    ),
}
"""Features that a server may not support: its error message, and whether a request uses the feature."""

ScriptedResponse = Callable[[ReceivedModelCall], HttpResponse]


@dataclass
class FakeOpenAI:
    """A fake provider. Each `will_…` method adds one answer to the script.

    `received` holds every call, `call_received` is set by the first, and `violations` lists the mistakes in them. With
    `can_stream` false it always sends whole answers; otherwise it waits `chunk_delay_seconds` before each chunk.

    `unsupported` (names of UNSUPPORTED_FEATURES), `answer_location` and `is_finish_reason_omitted` make it behave like
    servers other than OpenAI's.
    """

    key: str = "test-key"
    model: str = "test-model"
    token_usage: TokenUsage | None = field(default_factory=TokenUsage)
    split_text: Callable[[str], Sequence[str]] = split_every_four
    chunk_delay_seconds: float = 0.0
    can_stream: bool = True
    unsupported: frozenset[str] = frozenset()
    answer_location: AnswerLocation = "text"
    is_finish_reason_omitted: bool = False
    has_models_endpoint: bool = True
    headers: list[Mapping[str, str]] = field(default_factory=list)
    port: int = 0
    received: list[ReceivedModelCall] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    call_received: asyncio.Event = field(default_factory=asyncio.Event)
    _script: deque[ScriptedResponse] = field(default_factory=deque)

    @classmethod
    @asynccontextmanager
    async def running(cls, *, key: str = "test-key", model: str = "test-model") -> AsyncIterator[Self]:
        """Yield a running server. At the end, check that the script was used up and that there were no other calls."""
        fake = cls(key=key, model=model)
        async with running_http_server(fake.handle) as fake.port:
            yield fake
        fake.check()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def will_choose(self, intent: str, *, reasoning: str = "because", **fields: Any) -> None:
        """The next answer is this step, completed to fit the schema: missing fields are null."""

        def respond(call: ReceivedModelCall) -> HttpResponse:
            try:
                step = fill_with_nulls({"intent": intent, **fields}, call.schema)
            except ValueError as problem:
                return self._reject(call.api, str(problem))
            return self._model_response(call, json.dumps({"reasoning": reasoning, "step": step}))

        self._script.append(respond)

    def will_say_raw(self, text: str | None) -> None:
        """The next answer is this text, even if it does not fit the schema."""
        self._script.append(lambda call: self._model_response(call, text))

    def will_truncate(self, text: str = '{"reasoning": "I was about to') -> None:
        """The next answer is cut off at the length limit."""
        self._script.append(lambda call: self._model_response(call, text, finish_reason="length"))

    def will_filter(self) -> None:
        """The next answer is stopped by the content filter."""
        self._script.append(lambda call: self._model_response(call, "", finish_reason="content_filter"))

    def will_refuse(self, refusal: str) -> None:
        """The next answer is a refusal with this text."""
        self._script.append(lambda call: self._model_response(call, None, refusal=refusal))

    def will_fail(
        self, status: int, *, code: str | None = None, message: str = "no", headers: Mapping[str, str] | None = None
    ) -> None:
        """The next answer is an error status."""
        self._script.append(lambda _: _json_response(error(message, code), status, headers))

    def will_fail_inside(self, code: str, message: str = "no") -> None:
        """The next answer has status 200 and a failure: a failed response, or an error instead of choices."""

        def respond(call: ReceivedModelCall) -> HttpResponse:
            if self._should_stream(call):
                return _stream_response(openai_streams.encode_failure(call.api, message, code, self.model))
            chat = call.api == "chat"
            return _json_response(error(message, code) if chat else failed_response(code, message, self.model))

        self._script.append(respond)

    def will_break_off(self, text: str, end: ResponseEnd = "hang up") -> None:
        """The next answer is streamed to the end of this text, and then stops."""
        self._script.append(lambda call: _stream_response(self._stream_start(call, text), end))

    def will_fail_after(self, text: str, code: str | None, message: str = "no") -> None:
        """The next answer is streamed to the end of this text, followed by an error."""
        self._script.append(
            lambda call: _stream_response(
                [*self._stream_start(call, text), *openai_streams.encode_stream_error(call.api, message, code)]
            )
        )

    def will_stream(self, *events: bytes, end: ResponseEnd = "whole") -> None:
        """The next answer is exactly this stream."""
        self._script.append(lambda _: _stream_response(events, end))

    def will_answer(self, body: bytes, *, status: int = 200, kind: str = "application/json") -> None:
        """The next answer is exactly this body."""
        self._script.append(lambda _: HttpResponse(status, {"content-type": kind}, body))

    def will_refuse_generation(self, text: str) -> None:
        """The next answer is Groq's error for a generation that is not valid JSON."""
        body = error("Failed to validate JSON. Please adjust your prompt.", "json_validate_failed")
        body["error"]["failed_generation"] = text
        self._script.append(lambda _: _json_response(body, 400))

    def will_hang(self) -> None:
        """The next call gets no answer."""
        self._script.append(lambda _: HttpResponse(end="hang"))

    def will_dribble(self) -> None:
        """The next answer arrives slowly and never ends."""
        self._script.append(lambda _: HttpResponse(end="dribble"))

    def will_hang_up(self) -> None:
        """The next call gets a closed connection instead of an answer."""
        self._script.append(lambda _: HttpResponse(end="hang up"))

    def handle(self, request: HttpRequest) -> HttpResponse:
        """Answer one request. Violations are rejected as by the provider, and recorded."""
        apis: dict[str, Api] = {"/v1/chat/completions": "chat", "/v1/responses": "responses"}
        api = apis.get(request.path)
        self.headers.append(request.headers)
        if (request.method, request.path) == ("GET", "/v1/models") and self.has_models_endpoint:
            return self._models_response(request)
        if request.method != "POST" or api is None:
            return self._reject("chat", f"there is no {request.method} {request.path}", status=404)
        if request.headers.get("authorization") != f"Bearer {self.key}":
            return self._reject(api, "Incorrect API key provided", status=401)
        try:
            call = _parse_call(api, json.loads(request.body))
        except (KeyError, TypeError, ValueError) as problem:
            return self._reject(api, f"this is not a valid call: {problem!r}")
        return self._next_response(call)

    def _next_response(self, call: ReceivedModelCall) -> HttpResponse:
        self.received.append(call)
        self.call_received.set()
        for message, is_used in (UNSUPPORTED_FEATURES[name] for name in sorted(self.unsupported)):
            if is_used(call.body):
                return _json_response(error(message, "invalid_request_error"), 400)
        if violations := self._find_violations(call):
            return self._reject(call.api, "; ".join(violations))
        if not self._script:
            return self._reject(call.api, f"an unexpected call: {call.user[-300:]}")
        return self._script.popleft()(call)

    def check(self) -> None:
        """Raise AssertionError for violations, unexpected calls and unused answers."""
        unused = [f"{len(self._script)} unused answers"] if self._script else []
        assert not (problems := [*self.violations, *unused]), "; ".join(problems)

    def _find_violations(self, call: ReceivedModelCall) -> list[str]:
        is_bare = call.api == "chat" and (call.body.get("response_format") or {}).get("type") != "json_schema"
        is_fallen_back = is_bare and len(self.received) > 1
        violations = [
            *(() if is_fallen_back else schema_violations(call.schema)),
            *streaming_violations(call.body, call.api),
        ]
        if call.body.get("model") != self.model:
            violations.append(f"there is no model {call.body.get('model')!r}")
        if call.api == "responses" and call.body.get("store") is not False:
            violations.append("nothing may be stored")
        return violations

    def _models_response(self, request: HttpRequest) -> HttpResponse:
        if request.headers.get("authorization") != f"Bearer {self.key}":
            return _json_response(error("Incorrect API key provided", "invalid_api_key"), 401)
        return _json_response(
            {"object": "list", "data": [{"id": self.model, "object": "model", "created": 1, "owned_by": "x"}]}
        )

    def _reject(self, api: Api, reason: str, status: int = 400) -> HttpResponse:
        self.violations.append(f"{api}: {reason}")
        return _json_response(error(reason, "invalid_request_error"), status)

    def _model_response(
        self,
        call: ReceivedModelCall,
        text: str | None,
        *,
        refusal: str | None = None,
        finish_reason: FinishReason = "stop",
    ) -> HttpResponse:
        answer = ModelAnswer(
            text=text,
            refusal=refusal,
            finish_reason=finish_reason,
            token_usage=self.token_usage,
            location=self.answer_location,
        )
        if self._should_stream(call):
            answer = replace(answer, finish_reason=None) if self.is_finish_reason_omitted else answer
            chunks = self.split_text(text or "")
            events = openai_streams.encode_answer(
                call.api, answer, self.model, chunks, has_usage=call.has_usage_requested
            )
            return replace(_stream_response(events), chunk_delay_seconds=self.chunk_delay_seconds)
        shape = response if call.api == "responses" else chat_completion
        return _json_response(shape(answer, self.model))

    def _should_stream(self, call: ReceivedModelCall) -> bool:
        return call.is_streaming and self.can_stream

    def _stream_start(self, call: ReceivedModelCall, text: str) -> list[bytes]:
        return openai_streams.encode_start(call.api, self.model, self.split_text(text))


def _parse_call(api: Api, body: dict[str, Any]) -> ReceivedModelCall:
    messages = body["input" if api == "responses" else "messages"]
    contents = {message["role"]: message["content"] for message in messages}
    if api == "responses":
        schema_format = body.get("text", {}).get("format", {})
    else:
        schema_format = body.get("response_format", {}).get("json_schema", {})
    strict = schema_format.get("strict") is True and bool(schema_format.get("name"))
    return ReceivedModelCall(
        api, contents["system"], contents["user"], schema_format.get("schema", {}) if strict else {}, body
    )


def _json_response(body: dict[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> HttpResponse:
    return HttpResponse(status, {"content-type": "application/json", **(headers or {})}, json.dumps(body).encode())


def _stream_response(events: Sequence[bytes], end: ResponseEnd = "whole") -> HttpResponse:
    return HttpResponse(200, {"content-type": "text/event-stream; charset=utf-8"}, chunks=events, end=end)
