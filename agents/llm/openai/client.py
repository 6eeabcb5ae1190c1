"""Client and request bodies for OpenAI's two APIs, without the features that a server rejected before."""

import json
import logging
import ssl
from collections.abc import Iterator
from typing import Any, Literal

import openai

from agents.core.values import FrozenModel
from agents.llm.prompt import Prompt

CONNECT_TIMEOUT_SECONDS = 5.0
_PLACEHOLDER_KEY = "none"  # the SDK requires a key; self-hosted servers ignore it
_ALLOWED_HEADERS = frozenset({
    "accept", "accept-encoding", "authorization", "connection", "content-length", "content-type", "host",
    "transfer-encoding", "user-agent",
})  # fmt: skip
_SDK_HEADER_PREFIX = "x-stainless-"
"""Prefix of the SDK's headers with its own version and the version of Python."""


def make_client(
    api_key: str, base_url: str, http_client: openai.DefaultAsyncHttpxClient | None = None
) -> openai.AsyncOpenAI:
    """Return a client without retries and without a read timeout, which sends no credentials but the API key.

    `http_client` brings proxies and certificates. OPENAI_ORG_ID, OPENAI_PROJECT_ID, OPENAI_CUSTOM_HEADERS,
    OPENAI_ADMIN_KEY, OPENAI_WEBHOOK_SECRET and OPENAI_LOG, which the SDK reads, have no effect.
    """
    key = api_key or _PLACEHOLDER_KEY
    http = http_client or openai.DefaultAsyncHttpxClient(trust_env=False)
    _remove_foreign_headers(http, f"Bearer {key}")
    client = openai.AsyncOpenAI(
        api_key=key,
        base_url=base_url,
        timeout=openai.Timeout(None, connect=CONNECT_TIMEOUT_SECONDS),
        max_retries=0,  # Handrail retries, and records every attempt as an event
        http_client=http,
    )
    client.organization = client.project = client.admin_api_key = client.webhook_secret = None
    logging.getLogger("openai").setLevel(logging.NOTSET)  # OPENAI_LOG=debug would log people's messages
    return client


def make_http_client(proxy: str | None, tls: ssl.SSLContext) -> openai.DefaultAsyncHttpxClient:
    """Return an HTTP client with this proxy and these certificates. It ignores proxy environment variables."""
    return openai.DefaultAsyncHttpxClient(proxy=proxy, verify=tls, trust_env=False)


def _remove_foreign_headers(http: openai.DefaultAsyncHttpxClient, authorization: str) -> None:
    """Make the client drop all headers but the allowed ones and the SDK's, and send only this authorization."""

    async def remove_headers(request: Any) -> None:
        for name in {name.lower() for name in request.headers}:
            if name not in _ALLOWED_HEADERS and not name.startswith(_SDK_HEADER_PREFIX):
                del request.headers[name]
        if "authorization" in request.headers:  # missing after a redirect to another host
            request.headers["authorization"] = authorization

    hooks = http.event_hooks
    http.event_hooks = {**hooks, "request": [*hooks.get("request", []), remove_headers]}


ResponseFormat = Literal["json_schema", "json_object", "none"]

_SIMPLER_FORMAT: dict[ResponseFormat, ResponseFormat] = {"json_schema": "json_object", "json_object": "none"}
_BAD_REQUEST_STATUSES = (400, 422)
_NOT_IMPLEMENTED_STATUSES = (500, 501)
"""llama-cpp-python answers 500 to a schema it cannot compile."""

_MAX_SEARCHED_CHARACTERS = 4000
# Words, in lower case, with which servers name the part of a request that they reject.
_USAGE_KEYWORDS = ("stream_options", "include_usage")
_STREAMING_KEYWORDS = ('"stream"', "'stream'", "`stream`", "to stream", "streaming")
_FORMAT_KEYWORDS = (
    "response_format", "response format", "json_schema", "json_object", "json mode", "schema", "structured output",
    "'const'", '"const"', "`const`", "const ", "grammar", "additionalproperties", "anyof",
)  # fmt: skip


class Dialect(FrozenModel):
    """Optional parts of a request: the response format, the token usage in a stream, and streaming."""

    response_format: ResponseFormat = "json_schema"
    supports_stream_usage: bool = True
    supports_streaming: bool = True

    def without_rejected_part(self, status: int, body: Any) -> "Dialect | None":
        """Return the dialect to try after this error; None when the error has another cause.

        A bad request without a message (`body` is None) may be about the schema.
        """
        if status not in (*_BAD_REQUEST_STATUSES, *_NOT_IMPLEMENTED_STATUSES):
            return None
        if body is None:
            return self._with_simpler_format() if status in _BAD_REQUEST_STATUSES else None
        text = _searchable_text(body)
        return next(
            (
                dialect
                for keywords, dialect in self._simpler_dialects(status)
                if any(keyword in text for keyword in keywords)
            ),
            None,
        )

    def _simpler_dialects(self, status: int) -> Iterator[tuple[tuple[str, ...], "Dialect"]]:
        is_bad_request = status in _BAD_REQUEST_STATUSES
        if is_bad_request and self.supports_streaming and self.supports_stream_usage:
            yield _USAGE_KEYWORDS, self.model_copy(update={"supports_stream_usage": False})
        if (simpler := self._with_simpler_format()) is not None:
            yield _FORMAT_KEYWORDS, simpler
        if is_bad_request and self.supports_streaming:
            yield _STREAMING_KEYWORDS, self.model_copy(update={"supports_streaming": False})

    def _with_simpler_format(self) -> "Dialect | None":
        simpler = _SIMPLER_FORMAT.get(self.response_format)
        return self.model_copy(update={"response_format": simpler}) if simpler else None


def _searchable_text(body: Any) -> str:
    try:
        text = json.dumps(body, ensure_ascii=False, default=str)
    except (ValueError, RecursionError):
        return ""
    return text[:_MAX_SEARCHED_CHARACTERS].lower().replace('\\"', '"')


_SCHEMA_NAME = "next_step"


def chat_request(prompt: Prompt, schema: dict[str, Any], dialect: Dialect) -> dict[str, Any]:
    """Return the arguments of a Chat Completions call without the model, as far as the dialect supports them."""
    formats: dict[str, Any] = {
        "json_schema": {"type": "json_schema", "json_schema": {"name": _SCHEMA_NAME, "strict": True, "schema": schema}},
        "json_object": {"type": "json_object"},
    }
    response_format = formats.get(dialect.response_format)
    arguments: dict[str, Any] = {"messages": _to_messages(prompt)}
    return arguments if response_format is None else {**arguments, "response_format": response_format}


def response_request(prompt: Prompt, schema: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a Responses call without the model; OpenAI does not store the response."""
    return {
        "input": _to_messages(prompt),
        "store": False,
        "text": {"format": {"type": "json_schema", "name": _SCHEMA_NAME, "strict": True, "schema": schema}},
    }


def add_schema_to_prompt(prompt: Prompt, schema: dict[str, Any]) -> Prompt:
    """Return the prompt with the schema in its system message, for a server that may not enforce the schema."""
    compact = json.dumps(schema, ensure_ascii=False, separators=(",", ":"))
    instruction = f"Answer with one JSON object, nothing around it, that fits this JSON schema:\n{compact}"
    return prompt.model_copy(update={"system": f"{prompt.system}\n\n{instruction}"})


def _to_messages(prompt: Prompt) -> list[dict[str, str]]:
    return [{"role": "system", "content": prompt.system}, {"role": "user", "content": prompt.user}]
