"""The end of retries for channels that limit them: a message that cannot be delivered in time is undeliverable."""

from datetime import timedelta

from agents.core.errors import Permanent, Retryable

MIN_RETRY_SECONDS = 60.0
MAX_RETRY_SECONDS = 3600.0
_AGE_PER_DELAY = 4.0
"""The delay before the next attempt is the age of the message divided by this, so that the delays grow."""


def limit_retries(error: Retryable, age: timedelta, retry_for_seconds: float | None) -> Retryable | Permanent:
    """Return the error of a failed attempt to send a message of this age.

    It is a Permanent once the message is `retry_for_seconds` old. Before that it is the same Retryable, whose
    `retry_after` grows with the age, up to MAX_RETRY_SECONDS; the last attempt is due when the time is over. A
    longer `retry_after` of the error itself is kept. Without a limit the error is unchanged.
    """
    if retry_for_seconds is None:
        return error
    remaining = retry_for_seconds - age.total_seconds()
    if remaining <= 0:
        return Permanent(f"no delivery for {_format_duration(retry_for_seconds)}: {error}")
    delay = min(max(age.total_seconds() / _AGE_PER_DELAY, MIN_RETRY_SECONDS), MAX_RETRY_SECONDS, remaining)
    error.retry_after = max(delay, error.retry_after or 0.0)
    return error


def _format_duration(seconds: float) -> str:
    hours = round(seconds / 3600)
    return f"{hours} hours" if hours > 1 else f"{round(seconds)} seconds"
