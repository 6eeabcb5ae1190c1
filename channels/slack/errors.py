"""What Slack says when it does not do what it was asked, in our words: again later, never, or look first.

The codes are those of https://docs.slack.dev/reference/methods under each method.
"""

from collections.abc import Mapping
from http import HTTPStatus

from agents.errors import ConfigurationError, DeliveryUncertain, HandrailError, Permanent, Unavailable

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


class ContentRejected(Permanent):
    """Slack does not take what the message is made of."""

    code = "content_refused"


class StreamStoppedByUser(Permanent):
    """Whoever read along has pressed the stop button."""

    code = "stopped_by_reader"


class MessageNotEditable(Permanent):
    """The message to be changed is not there any more, or may not be changed."""

    code = "message_gone"


def error_from_response(code: str, *, status: int = 200, headers: Mapping[str, str] | None = None) -> HandrailError:
    """The error for what Slack answered. `code` is empty where it answered without one."""
    pause = _retry_after_seconds(code, headers or {})
    if code == "fatal_error":  # "may have partly succeeded"
        return DeliveryUncertain("Slack failed, and may have done it all the same: fatal_error")
    if code in _RETRYABLE_CODES or status == HTTPStatus.TOO_MANY_REQUESTS:
        return Unavailable(f"Slack asks to try again: {code or status}", retry_after=pause)
    if not code:  # Slack names its errors: an HTML page or an empty body comes from something in between
        return DeliveryUncertain(
            f"the answer is not one of Slack's; it may have done it all the same: {status}", retry_after=pause
        )
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Unavailable(f"Slack asks to try again: {code}", retry_after=pause)
    if code in _CONFIGURATION_CODES:
        return ConfigurationError(f"Slack refuses the token or its scopes: {code}; run `handrail doctor`")
    return _permanent_error(code)


def _permanent_error(code: str) -> Permanent:
    if code in _CONTENT_CODES:
        return ContentRejected(f"Slack does not take what the message is made of: {code}")
    if code == "stopped_by_user":
        return StreamStoppedByUser()
    if code in _NOT_EDITABLE_CODES:
        return MessageNotEditable(f"the message cannot be changed any more: {code}")
    return Permanent(f"Slack refuses: {code}")


def _retry_after_seconds(code: str, headers: Mapping[str, str]) -> float | None:
    said = next((value for name, value in headers.items() if name.lower() == "retry-after"), "")
    if said.isascii() and said.isdigit():
        return float(said)
    return _LONG_RETRY_SECONDS if code == "message_limit_exceeded" else None
