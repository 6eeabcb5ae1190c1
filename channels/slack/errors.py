"""Mapping of Slack's error codes to Handrail's errors: retryable, permanent, uncertain or misconfigured.

The codes are listed on the page of each method under https://docs.slack.dev/reference/methods.
"""

from collections.abc import Mapping
from http import HTTPStatus

from agents.core.errors import ConfigurationError, DeliveryUncertain, HandrailError, Permanent, Unavailable

_RETRYABLE_CODES = frozenset(
    {"internal_error", "ratelimited", "rate_limited", "request_timeout", "service_unavailable", "team_added_to_org"}
    | {"update_failed", "message_limit_exceeded"}
)
_CONFIGURATION_CODES = frozenset(
    {"accesslimited", "account_inactive", "invalid_auth", "missing_scope", "no_permission", "not_allowed_token_type"}
    | {"not_authed", "org_login_required", "token_expired", "token_revoked"}
)
_CONTENT_CODES = frozenset(
    {"invalid_blocks", "invalid_blocks_format", "markdown_text_conflict", "metadata_too_large", "msg_blocks_too_long"}
    | {"msg_too_long", "no_text", "too_many_attachments"}
)
_NOT_EDITABLE_CODES = frozenset(
    {"cant_update_message", "edit_window_closed", "message_not_found", "streaming_state_conflict"}
)
_LONG_RETRY_SECONDS = 60.0
"""Time before the next attempt after `message_limit_exceeded`, a limit of the whole workspace."""


class ContentRejected(Permanent):
    """Slack rejected the content of the message, such as its blocks or its length."""

    code = "content_refused"


class StreamStoppedByUser(Permanent):
    """A person pressed Slack's stop button while the reply was streamed."""

    code = "stopped_by_reader"


class MessageNotEditable(Permanent):
    """The message to be updated was deleted, or can no longer be edited."""

    code = "message_gone"


def error_from_response(code: str, *, status: int = 200, headers: Mapping[str, str] | None = None) -> HandrailError:
    """Return the error for a response of Slack. `code` is its `error` field, empty if the response has none."""
    retry_after = _retry_after_seconds(code, headers or {})
    if code == "fatal_error":  # "may have partly succeeded"
        return DeliveryUncertain("Slack reported an error and may have carried out the call: fatal_error")
    if code in _RETRYABLE_CODES or status == HTTPStatus.TOO_MANY_REQUESTS:
        return Unavailable(f"Slack is unavailable or busy; retrying: {code or status}", retry_after=retry_after)
    if not code:  # Slack's errors have codes: a proxy sent the HTML page or empty body
        return DeliveryUncertain(
            f"the response did not come from Slack, but Slack may have carried out the call: HTTP {status}",
            retry_after=retry_after,
        )
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Unavailable(f"Slack is unavailable or busy; retrying: {code}", retry_after=retry_after)
    if code in _CONFIGURATION_CODES:
        return ConfigurationError(f"Slack rejected the token or its scopes: {code}; run `handrail doctor`")
    return _permanent_error(code)


def _permanent_error(code: str) -> Permanent:
    if code in _CONTENT_CODES:
        return ContentRejected(f"Slack rejected the content of the message: {code}")
    if code == "stopped_by_user":
        return StreamStoppedByUser()
    if code in _NOT_EDITABLE_CODES:
        return MessageNotEditable(f"the message can no longer be edited: {code}")
    return Permanent(f"Slack rejected the call: {code}")


def _retry_after_seconds(code: str, headers: Mapping[str, str]) -> float | None:
    seconds = next((value for name, value in headers.items() if name.lower() == "retry-after"), "")
    if seconds.isascii() and seconds.isdigit():
        return float(seconds)
    return _LONG_RETRY_SECONDS if code == "message_limit_exceeded" else None
