"""Classification of a provider's HTTP errors, and of the time of the next attempt."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from agents.completion import CompletionOutcome

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
