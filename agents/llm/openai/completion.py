"""Conversion of a response or an HTTP error of a provider to a Completion: a step, or the reason why there is none."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from agents.core.agent import Agent
from agents.core.completion import Completion, CompletionOutcome, Usage
from agents.core.errors import InvalidInput
from agents.core.steps import Step
from agents.llm.answer_object import extract_object
from agents.llm.openai.responses import ModelResponse
from agents.llm.openai.streaming import INCOMPLETE_STREAM
from agents.llm.output_parser import parse_step

MAX_RETRY_AFTER_SECONDS = 24 * 3600.0
"""Upper limit for the wait that a server asks for."""
MAX_MESSAGE_LENGTH = 200

_MAX_READ_CHARACTERS = 10_000
_MIN_KEY_CHARACTERS = 4  # a shorter key is a placeholder, and may be part of a word
_MASK = "**"
"""Characters in a key that a provider repeats in its message with the middle masked."""

_PAYMENT_REQUIRED = 402
_NOT_FOUND = 404
_SERVER_ERROR = 500
# AUTH_FAILED is every failure that only the operator can correct, such as an unknown model (404) or a used-up quota.
_QUOTA_CODES = ("insufficient_quota", "billing_hard_limit_reached", "billing_not_active")
_FILTER_CODES = ("content_filter", "content_policy_violation", "misalignment_policy_violation")
_OUTCOME_BY_STATUS = {
    401: CompletionOutcome.AUTH_FAILED,
    402: CompletionOutcome.AUTH_FAILED,
    403: CompletionOutcome.AUTH_FAILED,
    404: CompletionOutcome.AUTH_FAILED,
    408: CompletionOutcome.TIMEOUT,
    429: CompletionOutcome.RATE_LIMITED,
}


def classify_error(status: int, codes: tuple[str | None, ...]) -> CompletionOutcome:
    """Return the outcome for an error status and the `code` and `type` of the error body."""
    if any(code in _QUOTA_CODES for code in codes):
        return CompletionOutcome.AUTH_FAILED
    if any(code in _FILTER_CODES for code in codes):
        return CompletionOutcome.FILTERED
    return _OUTCOME_BY_STATUS.get(
        status, CompletionOutcome.FAILED if status >= _SERVER_ERROR else CompletionOutcome.BAD_REQUEST
    )


def operator_hint(status: int, codes: tuple[str | None, ...]) -> str:
    """Return what the operator can do when the provider denies access."""
    if status == _PAYMENT_REQUIRED or any(code in _QUOTA_CODES for code in codes):
        return "Check the plan and the billing of the account at the model's provider"
    if status == _NOT_FOUND:
        return "Check OPENAI_MODEL and OPENAI_BASE_URL, which usually ends in /v1"
    return "Check OPENAI_API_KEY and the permissions of its account"


def extract_error_message(body: Any, depth: int = 4) -> str:
    """Return the message in an error body, a text or nested JSON of any shape; empty when there is none."""
    if isinstance(body, str) or not depth:
        return body if isinstance(body, str) else ""
    inner = body if isinstance(body, list) else []
    if isinstance(body, Mapping):
        inner = [body.get(name) for name in ("error", "message", "detail", "msg")]
    return next(filter(None, (extract_error_message(part, depth - 1) for part in inner)), "")


def parse_retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the seconds until the next attempt; None when the headers name no time (RFC 9110, section 10.2.3)."""
    milliseconds = _parse_seconds(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return _clamp_wait(milliseconds / 1000)
    retry_after = headers.get("retry-after", "")
    seconds = _parse_seconds(retry_after)
    if seconds is None:
        seconds = _seconds_until(retry_after, now)
    return None if seconds is None else _clamp_wait(seconds)


def sanitize_message(text: str, secret: str) -> str:
    """Return a provider's message on one line, truncated, without control characters and without the API key."""
    hidden = text.replace(secret, "[key]") if len(secret) >= _MIN_KEY_CHARACTERS else text
    printable = "".join(c if c.isprintable() else " " for c in hidden[:_MAX_READ_CHARACTERS])
    return " ".join("[key]" if _MASK in word else word for word in printable.split())[:MAX_MESSAGE_LENGTH]


def _parse_seconds(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _seconds_until(date_text: str, now: datetime) -> float | None:
    try:
        at = parsedate_to_datetime(date_text)
    except (ValueError, OverflowError):
        return None
    return ((at if at.tzinfo else at.replace(tzinfo=UTC)) - now).total_seconds()


def _clamp_wait(seconds: float) -> float:
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_SECONDS)


_EMPTY_ANSWER = "the answer was empty; choose a step"


def to_completion(
    response: ModelResponse, agent: Agent, model: str, *, is_strict: bool, request_characters: int
) -> Completion:
    """Return the completion with the response's step, or with the failure.

    `is_strict` says that the server enforces the schema; otherwise text around the object is ignored.
    `request_characters` is the length of the prompt, to estimate the usage when the server reports none.
    """
    usage = response.usage_or_estimate(request_characters)
    if response.failure is not None and not response.rejected_text:
        return failed_completion(model, response.failure, response.detail, usage)
    try:
        parsed = _parse_step(response, agent, is_strict=is_strict)
    except InvalidInput as error:
        return _invalid_completion(response, str(error), model, usage)
    if parsed is None:
        return failed_completion(model, CompletionOutcome.EMPTY, _EMPTY_ANSWER, usage)
    reasoning, step = parsed
    return Completion(outcome=CompletionOutcome.OK, model=model, step=step, reasoning=reasoning, usage=usage)


def failed_completion(model: str, outcome: CompletionOutcome, detail: str, usage: Usage | None = None) -> Completion:
    """Return a completion without a step."""
    return Completion(outcome=outcome, model=model, detail=detail, usage=usage)


def _parse_step(response: ModelResponse, agent: Agent, *, is_strict: bool) -> tuple[str, Step] | None:
    """Return the reasoning and the step; None for an empty answer. Raises InvalidInput.

    Some servers send the object as reasoning and leave the text empty.
    """
    text = response.rejected_text or response.text
    text = text if is_strict else extract_object(text)
    if text.strip():
        return parse_step(text, agent)
    try:
        return parse_step(extract_object(response.reasoning), agent)
    except InvalidInput:
        return None


def _invalid_completion(response: ModelResponse, detail: str, model: str, usage: Usage) -> Completion:
    if response.failure is CompletionOutcome.INVALID:
        invalid = failed_completion(model, CompletionOutcome.INVALID, response.detail, usage)
        return invalid.model_copy(update={"rejected_text": sanitize_message(response.rejected_text, "")})
    if not response.has_ended:
        return failed_completion(model, CompletionOutcome.FAILED, INCOMPLETE_STREAM, usage)
    return failed_completion(model, CompletionOutcome.INVALID, detail, usage)
