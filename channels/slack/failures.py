"""What Slack says when it does not do what it was asked, in our words: again later, never, or look first.

The codes are those of https://docs.slack.dev/reference/methods under each method.
"""

from collections.abc import Mapping
from http import HTTPStatus

from agents.errors import Doubtful, HandrailError, Misconfigured, Permanent, Unreachable

_LATER = frozenset(
    {"internal_error", "ratelimited", "rate_limited", "request_timeout", "service_unavailable", "team_added_to_org"}
    | {"update_failed", "message_limit_exceeded"}
)
_CONFIGURATION = frozenset(
    {"accesslimited", "account_inactive", "invalid_auth", "missing_scope", "no_permission", "not_allowed_token_type"}
    | {"not_authed", "org_login_required", "token_expired", "token_revoked"}
)
_CONTENT = frozenset(
    {"invalid_blocks", "invalid_blocks_format", "markdown_text_conflict", "metadata_too_large", "msg_blocks_too_long"}
    | {"msg_too_long", "no_text", "too_many_attachments"}
)
_GONE = frozenset({"cant_update_message", "edit_window_closed", "message_not_found", "streaming_state_conflict"})
_LONG_PAUSE = 60.0


class ContentRefused(Permanent):
    """Slack does not take what the message is made of."""

    code = "content_refused"


class StoppedByReader(Permanent):
    """Whoever read along has pressed the stop button."""

    code = "stopped_by_reader"


class MessageGone(Permanent):
    """The message to be changed is not there any more, or may not be changed."""

    code = "message_gone"


def failure(code: str, *, status: int = 200, headers: Mapping[str, str] | None = None) -> HandrailError:
    """The error for what Slack answered. `code` is empty where it answered without one."""
    pause = _pause(code, headers or {})
    if code == "fatal_error":  # "may have partly succeeded"
        return Doubtful("Slack failed, and may have done it all the same: fatal_error")
    if code in _LATER or status == HTTPStatus.TOO_MANY_REQUESTS:
        return Unreachable(f"Slack asks to try again: {code or status}", retry_after=pause)
    if not code:  # Slack names its errors: an HTML page or an empty body comes from something in between
        return Doubtful(
            f"the answer is not one of Slack's; it may have done it all the same: {status}", retry_after=pause
        )
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Unreachable(f"Slack asks to try again: {code}", retry_after=pause)
    if code in _CONFIGURATION:
        return Misconfigured(f"Slack refuses the token or its scopes: {code}; run `handrail doctor`")
    return _final(code)


def _final(code: str) -> Permanent:
    if code in _CONTENT:
        return ContentRefused(f"Slack does not take what the message is made of: {code}")
    if code == "stopped_by_user":
        return StoppedByReader()
    if code in _GONE:
        return MessageGone(f"the message cannot be changed any more: {code}")
    return Permanent(f"Slack refuses: {code}")


def _pause(code: str, headers: Mapping[str, str]) -> float | None:
    said = next((value for name, value in headers.items() if name.lower() == "retry-after"), "")
    if said.isascii() and said.isdigit():
        return float(said)
    return _LONG_PAUSE if code == "message_limit_exceeded" else None
