"""Builders of response bodies of OpenAI's two APIs."""

from dataclasses import dataclass
from typing import Any, Literal

Api = Literal["chat", "responses"]
FinishReason = Literal["stop", "length", "content_filter"] | None
AnswerLocation = Literal["text", "parts", "thoughts"]
"""Field with the answer: a text, a list of parts (Mistral), or the reasoning (vLLM with a reasoning parser)."""


@dataclass(frozen=True)
class TokenUsage:
    """Token counts that the server reports."""

    input: int = 120
    cached: int = 20
    output: int = 30


@dataclass(frozen=True)
class ModelAnswer:
    """One answer of the model, before an API wraps it."""

    text: str | None = None
    refusal: str | None = None
    finish_reason: FinishReason = "stop"
    token_usage: TokenUsage | None = TokenUsage()
    location: AnswerLocation = "text"


def text_fields(location: AnswerLocation, text: str | None) -> dict[str, Any]:
    """Return the fields of a message or delta with the text at this location."""
    if location == "thoughts":
        return {"content": None, "reasoning_content": text}
    if location == "parts" and text:
        thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "They said hi."}]}
        return {"content": [thinking, {"type": "text", "text": text}]}
    return {"content": text}


def chat_completion(answer: ModelAnswer, model: str) -> dict[str, Any]:
    """Return the answer as a Chat Completions body."""
    message = {"role": "assistant", **text_fields(answer.location, answer.text), "refusal": answer.refusal}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": model,
        "choices": [{"index": 0, "finish_reason": answer.finish_reason, "logprobs": None, "message": message}],
        "usage": answer.token_usage and chat_usage(answer.token_usage),
    }


def chat_usage(tokens: TokenUsage) -> dict[str, Any]:
    """Return token counts in the format of Chat Completions."""
    return {
        "prompt_tokens": tokens.input,
        "completion_tokens": tokens.output,
        "total_tokens": tokens.input + tokens.output,
        "prompt_tokens_details": {"cached_tokens": tokens.cached},
    }


def response(answer: ModelAnswer, model: str) -> dict[str, Any]:
    """Return the answer as a Responses body, with a reasoning item first."""
    reasons = {"length": "max_output_tokens", "content_filter": "content_filter"}
    reason = reasons.get(answer.finish_reason)
    thoughts = {"id": "rs_1", "type": "reasoning", "summary": []}
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "status": "incomplete" if reason else "completed",
        "content": [_content_part(answer)],
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
        "usage": answer.token_usage and _response_usage(answer.token_usage),
    }


def failed_response(code: str, message: str, model: str) -> dict[str, Any]:
    """Return a failed response, which is sent with status 200."""
    failed: dict[str, Any] = {
        "status": "failed",
        "output": [],
        "error": {"code": code, "message": message},
        "usage": None,
    }
    return {**response(ModelAnswer(), model), **failed}


def _content_part(answer: ModelAnswer) -> dict[str, Any]:
    if answer.refusal is not None:
        return {"type": "refusal", "refusal": answer.refusal}
    return {"type": "output_text", "text": answer.text or "", "annotations": []}


def _response_usage(tokens: TokenUsage) -> dict[str, Any]:
    return {
        "input_tokens": tokens.input,
        "output_tokens": tokens.output,
        "total_tokens": tokens.input + tokens.output,
        "input_tokens_details": {"cached_tokens": tokens.cached, "cache_write_tokens": 0},
        "output_tokens_details": {"reasoning_tokens": 0},
    }


def error(message: str, code: str | None) -> dict[str, Any]:
    """Return an error body, which has the same format in both APIs."""
    return {"error": {"message": message, "type": code or "error", "param": None, "code": code}}
