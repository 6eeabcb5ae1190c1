"""A model that says what a test wants: OpenAI's two APIs on a loopback port, strict about what it is asked.

    async with FakeOpenAI.running() as model:
        model.will_choose(intent="done_for_now", message="hello")
        ...
        assert "hi" in model.asked[-1].user

A question that asks for a stream gets one, the text cut by `cut`, unless the story says otherwise.

A question it did not expect, or one that breaks the rules of the API, fails the test at the end of the block; so does
an answer nobody asked for.
"""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Self

from tests.fakes import openai_streams
from tests.fakes.http import End, HttpReply, HttpRequest, serving
from tests.fakes.openai_shapes import (
    Api,
    Ending,
    Place,
    Said,
    Tokens,
    chat_completion,
    error,
    failed_response,
    response,
)
from tests.fakes.strict_rules import broken_rules, broken_streaming, completed

__all__ = ["Api", "Asked", "FakeOpenAI"]


@dataclass(frozen=True)
class Asked:
    """One question, whichever API it came over."""

    api: Api
    system: str
    user: str
    schema: dict[str, Any]
    body: dict[str, Any]

    @property
    def streams(self) -> bool:
        return self.body.get("stream") is True

    @property
    def counts(self) -> bool:
        return bool((self.body.get("stream_options") or {}).get("include_usage"))


def by_fours(text: str) -> Sequence[str]:
    """About what one token is."""
    return [text[at : at + 4] for at in range(0, len(text), 4)]


REFUSALS: Mapping[str, tuple[str, Callable[[dict[str, Any]], object]]] = {
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
"""What a server may not understand, in the words of one that does not."""

Line = Callable[[Asked], HttpReply]


@dataclass
class FakeOpenAI:
    """A provider. The `will_…` methods write the story, one line a question.

    `asked` holds every question, `heard` is set by the first, `complaints` are what was wrong with them. Without
    `streams` it answers at once whatever it is asked; else it takes `pause` seconds for each piece.

    It speaks like a server that is not OpenAI's with `refuses` (names of REFUSALS), an answer in another `place`, and
    a stream that `names_no_reason` for its end.
    """

    key: str = "test-key"
    model: str = "test-model"
    tokens: Tokens | None = field(default_factory=Tokens)
    cut: Callable[[str], Sequence[str]] = by_fours
    pause: float = 0.0
    streams: bool = True
    refuses: frozenset[str] = frozenset()
    place: Place = "text"
    names_no_reason: bool = False
    has_models: bool = True
    headers: list[Mapping[str, str]] = field(default_factory=list)
    port: int = 0
    asked: list[Asked] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    heard: asyncio.Event = field(default_factory=asyncio.Event)
    _story: deque[Line] = field(default_factory=deque)

    @classmethod
    @asynccontextmanager
    async def running(cls, *, key: str = "test-key", model: str = "test-model") -> AsyncIterator[Self]:
        """The server, checked at the end: the story is told to its last line and nothing else was asked."""
        fake = cls(key=key, model=model)
        async with serving(fake.answer) as fake.port:
            yield fake
        fake.check()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def will_choose(self, intent: str, *, reasoning: str = "because", **fields: Any) -> None:
        """The next answer is this step, written as the schema demands; what is left out is null."""

        def line(asked: Asked) -> HttpReply:
            try:
                step = completed({"intent": intent, **fields}, asked.schema)
            except ValueError as wrong:
                return self._refused(asked.api, str(wrong))
            return self._says(asked, json.dumps({"reasoning": reasoning, "step": step}))

        self._story.append(line)

    def will_say_raw(self, text: str | None) -> None:
        """The next answer is this text, whatever the schema says."""
        self._story.append(lambda asked: self._says(asked, text))

    def will_truncate(self, text: str = '{"reasoning": "I was about to') -> None:
        """The next answer is cut off at the length limit."""
        self._story.append(lambda asked: self._says(asked, text, ending="length"))

    def will_filter(self) -> None:
        """The next answer is stopped by the content filter."""
        self._story.append(lambda asked: self._says(asked, "", ending="content_filter"))

    def will_refuse(self, words: str) -> None:
        """The model declines, in these words."""
        self._story.append(lambda asked: self._says(asked, None, refusal=words))

    def will_fail(
        self, status: int, *, code: str | None = None, message: str = "no", headers: Mapping[str, str] | None = None
    ) -> None:
        """The next answer is an error status."""
        self._story.append(lambda _: _json(error(message, code), status, headers))

    def will_fail_inside(self, code: str, message: str = "no") -> None:
        """The next answer has status 200 and tells of a failure: a failed response, or an error in place of choices."""

        def line(asked: Asked) -> HttpReply:
            if self._streams(asked):
                return _stream(openai_streams.failed(asked.api, message, code, self.model))
            chat = asked.api == "chat"
            return _json(error(message, code) if chat else failed_response(code, message, self.model))

        self._story.append(line)

    def will_break_off(self, text: str, end: End = "hang up") -> None:
        """The next answer is streamed to the end of this text, and no further."""
        self._story.append(lambda asked: _stream(self._begun(asked, text), end))

    def will_fail_after(self, text: str, code: str | None, message: str = "no") -> None:
        """The next answer is streamed to the end of this text, and then an error is told."""
        self._story.append(
            lambda asked: _stream([*self._begun(asked, text), *openai_streams.broken(asked.api, message, code)])
        )

    def will_stream(self, *events: bytes, end: End = "whole") -> None:
        """The next answer is exactly this stream."""
        self._story.append(lambda _: _stream(events, end))

    def will_answer(self, body: bytes, *, status: int = 200, kind: str = "application/json") -> None:
        """The next answer is exactly this."""
        self._story.append(lambda _: HttpReply(status, {"content-type": kind}, body))

    def will_refuse_generation(self, text: str) -> None:
        """What the model wrote is no valid JSON, as Groq says it."""
        told = error("Failed to validate JSON. Please adjust your prompt.", "json_validate_failed")
        told["error"]["failed_generation"] = text
        self._story.append(lambda _: _json(told, 400))

    def will_hang(self) -> None:
        """The next question is never answered."""
        self._story.append(lambda _: HttpReply(end="hang"))

    def will_dribble(self) -> None:
        """The next answer trickles in without end."""
        self._story.append(lambda _: HttpReply(end="dribble"))

    def will_hang_up(self) -> None:
        """The connection is closed instead of the next answer."""
        self._story.append(lambda _: HttpReply(end="hang up"))

    def answer(self, request: HttpRequest) -> HttpReply:
        """Answer one request: what breaks the rules is refused as the provider would, and remembered."""
        apis: dict[str, Api] = {"/v1/chat/completions": "chat", "/v1/responses": "responses"}
        api = apis.get(request.path)
        self.headers.append(request.headers)
        if (request.method, request.path) == ("GET", "/v1/models") and self.has_models:
            return self._models(request)
        if request.method != "POST" or api is None:
            return self._refused("chat", f"there is no {request.method} {request.path}", status=404)
        if request.headers.get("authorization") != f"Bearer {self.key}":
            return self._refused(api, "Incorrect API key provided", status=401)
        try:
            asked = _asked(api, json.loads(request.body))
        except (KeyError, TypeError, ValueError) as wrong:
            return self._refused(api, f"this is no question: {wrong!r}")
        return self._told(asked)

    def _told(self, asked: Asked) -> HttpReply:
        self.asked.append(asked)
        self.heard.set()
        for words, is_meant in (REFUSALS[name] for name in sorted(self.refuses)):
            if is_meant(asked.body):
                return _json(error(words, "invalid_request_error"), 400)
        if objections := self._objections(asked):
            return self._refused(asked.api, "; ".join(objections))
        if not self._story:
            return self._refused(asked.api, f"an unexpected question: {asked.user[-300:]}")
        return self._story.popleft()(asked)

    def check(self) -> None:
        """Raises AssertionError when something was asked or left over that should not have been."""
        left_over = [f"{len(self._story)} answers nobody asked for"] if self._story else []
        assert not (problems := [*self.complaints, *left_over]), "; ".join(problems)

    def _objections(self, asked: Asked) -> list[str]:
        is_bare = asked.api == "chat" and (asked.body.get("response_format") or {}).get("type") != "json_schema"
        is_fallen_back = is_bare and len(self.asked) > 1
        wrong = [*(() if is_fallen_back else broken_rules(asked.schema)), *broken_streaming(asked.body, asked.api)]
        if asked.body.get("model") != self.model:
            wrong.append(f"there is no model {asked.body.get('model')!r}")
        if asked.api == "responses" and asked.body.get("store") is not False:
            wrong.append("nothing may be stored")
        return wrong

    def _models(self, request: HttpRequest) -> HttpReply:
        if request.headers.get("authorization") != f"Bearer {self.key}":
            return _json(error("Incorrect API key provided", "invalid_api_key"), 401)
        return _json({"object": "list", "data": [{"id": self.model, "object": "model", "created": 1, "owned_by": "x"}]})

    def _refused(self, api: Api, why: str, status: int = 400) -> HttpReply:
        self.complaints.append(f"{api}: {why}")
        return _json(error(why, "invalid_request_error"), status)

    def _says(
        self, asked: Asked, text: str | None, *, refusal: str | None = None, ending: Ending = "stop"
    ) -> HttpReply:
        said = Said(text=text, refusal=refusal, ending=ending, tokens=self.tokens, place=self.place)
        if self._streams(asked):
            said = replace(said, ending=None) if self.names_no_reason else said
            pieces = self.cut(text or "")
            events = openai_streams.streamed(asked.api, said, self.model, pieces, count=asked.counts)
            return replace(_stream(events), pause=self.pause)
        shape = response if asked.api == "responses" else chat_completion
        return _json(shape(said, self.model))

    def _streams(self, asked: Asked) -> bool:
        return asked.streams and self.streams

    def _begun(self, asked: Asked, text: str) -> list[bytes]:
        return openai_streams.begun(asked.api, self.model, self.cut(text))


def _asked(api: Api, body: dict[str, Any]) -> Asked:
    messages = body["input" if api == "responses" else "messages"]
    said = {message["role"]: message["content"] for message in messages}
    if api == "responses":
        written = body.get("text", {}).get("format", {})
    else:
        written = body.get("response_format", {}).get("json_schema", {})
    strict = written.get("strict") is True and bool(written.get("name"))
    return Asked(api, said["system"], said["user"], written.get("schema", {}) if strict else {}, body)


def _json(body: dict[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> HttpReply:
    return HttpReply(status, {"content-type": "application/json", **(headers or {})}, json.dumps(body).encode())


def _stream(events: Sequence[bytes], end: End = "whole") -> HttpReply:
    return HttpReply(200, {"content-type": "text/event-stream; charset=utf-8"}, pieces=events, end=end)
