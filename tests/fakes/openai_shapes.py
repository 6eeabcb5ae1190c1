"""Answers in the shapes of OpenAI's two APIs."""

from dataclasses import dataclass
from typing import Any, Literal

Api = Literal["chat", "responses"]
Ending = Literal["stop", "length", "content_filter"] | None
Place = Literal["text", "parts", "thoughts"]
"""Where a server puts the answer: a text, a list of parts (Mistral), beside the text (vLLM with a reasoning parser)."""


@dataclass(frozen=True)
class Tokens:
    """What the server says the call cost."""

    input: int = 120
    cached: int = 20
    output: int = 30


@dataclass(frozen=True)
class Said:
    """One answer of the model, before an API wraps it."""

    text: str | None = None
    refusal: str | None = None
    ending: Ending = "stop"
    tokens: Tokens | None = Tokens()
    place: Place = "text"


def spoken(place: Place, text: str | None) -> dict[str, Any]:
    """The text in this place of a message or of a piece of one."""
    if place == "thoughts":
        return {"content": None, "reasoning_content": text}
    if place == "parts" and text:
        thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "They said hi."}]}
        return {"content": [thinking, {"type": "text", "text": text}]}
    return {"content": text}


def chat_completion(said: Said, model: str) -> dict[str, Any]:
    """The answer as Chat Completions gives it."""
    message = {"role": "assistant", **spoken(said.place, said.text), "refusal": said.refusal}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": model,
        "choices": [{"index": 0, "finish_reason": said.ending, "logprobs": None, "message": message}],
        "usage": said.tokens and chat_usage(said.tokens),
    }


def chat_usage(tokens: Tokens) -> dict[str, Any]:
    """What a call cost, in the words of Chat Completions."""
    return {
        "prompt_tokens": tokens.input,
        "completion_tokens": tokens.output,
        "total_tokens": tokens.input + tokens.output,
        "prompt_tokens_details": {"cached_tokens": tokens.cached},
    }


def response(said: Said, model: str) -> dict[str, Any]:
    """The answer as Responses gives it: thoughts first, as reasoning models do."""
    reasons = {"length": "max_output_tokens", "content_filter": "content_filter"}
    reason = reasons.get(said.ending)
    thoughts = {"id": "rs_1", "type": "reasoning", "summary": []}
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "status": "incomplete" if reason else "completed",
        "content": [_part(said)],
    }
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "model": model,
        "status": "incomplete" if reason else "completed",
        "incomplete_details": reason and {"reason": reason},
        "error": None,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "output": [thoughts, message],
        "usage": said.tokens and _response_usage(said.tokens),
    }


def failed_response(code: str, message: str, model: str) -> dict[str, Any]:
    """A response that failed on the way, told with status 200."""
    failed: dict[str, Any] = {
        "status": "failed",
        "output": [],
        "error": {"code": code, "message": message},
        "usage": None,
    }
    return {**response(Said(), model), **failed}


def _part(said: Said) -> dict[str, Any]:
    if said.refusal is not None:
        return {"type": "refusal", "refusal": said.refusal}
    return {"type": "output_text", "text": said.text or "", "annotations": []}


def _response_usage(tokens: Tokens) -> dict[str, Any]:
    return {
        "input_tokens": tokens.input,
        "output_tokens": tokens.output,
        "total_tokens": tokens.input + tokens.output,
        "input_tokens_details": {"cached_tokens": tokens.cached, "cache_write_tokens": 0},
        "output_tokens_details": {"reasoning_tokens": 0},
    }


def error(message: str, code: str | None) -> dict[str, Any]:
    """An error as both APIs report it."""
    return {"error": {"message": message, "type": code or "error", "param": None, "code": code}}
