"""Verification of Slack's request signatures and of signed button values; without I/O."""

import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from json import dumps

from agents.core.errors import Forbidden, InvalidInput

SIGNATURE_WINDOW_SECONDS = 300
"""Maximum difference of clocks (docs.slack.dev/authentication/verifying-requests-from-slack)."""

MAX_BUTTON_VALUE_LENGTH = 252
_TIMESTAMP = re.compile(r"[0-9]{1,12}", re.ASCII)
_SIGNATURE = re.compile(r"v0=[0-9a-f]{64}", re.ASCII)
_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,150}", re.ASCII)
_DIGEST = re.compile(r"[0-9a-f]{0,64}", re.ASCII)
_SIGNED_VALUE = re.compile(
    r"v1\.(?P<request_id>[A-Za-z0-9_-]{1,150})\.(?P<digest>[0-9a-f]{0,64})\.(?P<mac>[A-Za-z0-9_-]{32})", re.ASCII
)
_INVALID_SIGNATURE = "the request has no valid signature of Slack"


def verify_signature(
    body: bytes, *, timestamp: str | None, signature: str | None, secrets: Iterable[str], now: datetime
) -> None:
    """Verify that one of the signing secrets signed these bytes within the last five minutes. Raises Forbidden if not.

    `timestamp` and `signature` are the headers X-Slack-Request-Timestamp and X-Slack-Signature. There are two secrets
    while they are rotated. Signatures can be replayed within their window; the inbox drops such duplicates.
    """
    if not _is_recent(timestamp, now):
        raise Forbidden("the request was signed too long ago, or the clock of this machine is wrong")
    # compare_digest raises TypeError for strings that are not ASCII, so their format is checked first
    if signature is None or not _SIGNATURE.fullmatch(signature):
        raise Forbidden(_INVALID_SIGNATURE)
    signed = f"v0:{timestamp}:".encode() + body
    if not any(_is_signed(signed, signature, secret) for secret in secrets):
        raise Forbidden(_INVALID_SIGNATURE)


def _is_recent(timestamp: str | None, now: datetime) -> bool:
    if timestamp is None or not _TIMESTAMP.fullmatch(timestamp):
        return False
    return abs(now.timestamp() - int(timestamp)) <= SIGNATURE_WINDOW_SECONDS


def _is_signed(signed: bytes, signature: str, secret: str) -> bool:
    """Return whether the secret made the signature. An empty secret never counts: anyone could sign with it."""
    expected = "v0=" + hmac.new(secret.encode(), signed, sha256).hexdigest()
    return hmac.compare_digest(expected, signature) and bool(secret)


@dataclass(frozen=True)
class ButtonValue:
    """Content of a button's value: a request, and the hash of its exact content when the card was rendered."""

    request_id: str
    digest: str


def sign_button_value(key: bytes, button: ButtonValue, team: str, channel: str) -> str:
    """Return the value with a MAC over it and the channel. Raises InvalidInput for a malformed id or digest.

    The MAC proves only that Handrail made the button. Whether a person may decide is checked when they press it.
    """
    if not _REQUEST_ID.fullmatch(button.request_id) or not _DIGEST.fullmatch(button.digest):
        raise InvalidInput("a request id has at most 150 letters, digits, _ and -; a digest has at most 64 hex digits")
    return f"v1.{button.request_id}.{button.digest}.{_mac(key, button, team, channel)}"


def verify_button_value(key: bytes, signed_value: str, team: str, channel: str) -> ButtonValue:
    """Return the content of a signed value. Raises Forbidden if it was not signed for this channel."""
    match = _SIGNED_VALUE.fullmatch(signed_value)
    if match is None or not key:
        raise Forbidden("this button was not created by Handrail")
    button = ButtonValue(match["request_id"], match["digest"])
    if not hmac.compare_digest(_mac(key, button, team, channel), match["mac"]):
        raise Forbidden("this button was not created by Handrail for this channel")
    return button


def _mac(key: bytes, button: ButtonValue, team: str, channel: str) -> str:
    """Return a MAC of 192 bits. Its input is JSON, so that different fields cannot yield the same bytes."""
    signed = dumps(["handrail.slack.reference", 1, team, channel, button.request_id, button.digest]).encode()
    return urlsafe_b64encode(hmac.new(key, signed, sha256).digest()[:24]).decode()
