"""Errors of Twilio by their codes (twilio.com/docs/api/errors), as errors of Handrail and as words for people."""

from collections.abc import Mapping

from agents.core.errors import ConfigurationError, HandrailError, OptedOut, Permanent, Unavailable

OPTED_OUT_CODE = "21610"
BAD_CALLBACK_CODE = "21609"
_TOO_MANY_REQUESTS = 429
_SERVER_ERROR = 500

_FAILURES: Mapping[str, str] = {
    "21211": "the number is not valid",
    "21408": "messages to this country are not enabled",
    "21612": "the number cannot be reached from this sender",
    "21614": "the number cannot receive messages",
    "21617": "the message is too long",
    "30003": "the phone is switched off or out of reach",
    "30004": "the number blocks messages",
    "30005": "the number is not in use",
    "30006": "the number cannot receive messages",
    "30007": "the carrier filtered the message",
    "30008": "the carrier gave no reason",
}
"""Failures that concern the recipient or the message, in words for people."""

_SENDER_FAULTS: Mapping[str, str] = {
    "20003": "Twilio refuses the credentials; check TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN",
    "20404": "Twilio does not know the account; check TWILIO_ACCOUNT_SID",
    "21606": "TWILIO_FROM is not a number of the account that can send messages",
    "21659": "TWILIO_FROM is not a number of the account",
    "30002": "the account is suspended; see the Twilio console",
    "30032": "the toll-free number of TWILIO_FROM is not verified; see the Twilio console",
    "30034": "the number of TWILIO_FROM is not registered for this country; see the Twilio console",
}
"""Failures that an operator has to mend; messages wait meanwhile."""

_RETRYABLE = frozenset({"20429", "30001", "30410"})


def to_error(status: int, code: str, retry_after: float | None) -> HandrailError:
    """Return the error for a response to a new message: `status` of HTTP, `code` of Twilio."""
    if code == OPTED_OUT_CODE:
        return OptedOut()
    if code in _SENDER_FAULTS:
        return ConfigurationError(_SENDER_FAULTS[code])
    if status == _TOO_MANY_REQUESTS or status >= _SERVER_ERROR or code in _RETRYABLE:
        return Unavailable("Twilio does not take messages now", retry_after=retry_after)
    return Permanent(describe_failure(code))


def describe_failure(code: str) -> str:
    """Return why a message was not delivered, in words for people."""
    return _FAILURES.get(code, f"Twilio reports error {code}" if code else "Twilio gives no reason")
