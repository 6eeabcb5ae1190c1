"""What proves that something comes from Slack, and that a button is one of ours. Pure: keys and the time are given."""

import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from json import dumps

from agents.errors import Forbidden, InvalidInput

SIGNATURE_WINDOW_SECONDS = 300
"""Seconds a signature holds, before and after (docs.slack.dev/authentication/verifying-requests-from-slack)."""

MAX_BUTTON_VALUE_LENGTH = 252
_TIMESTAMP = re.compile(r"[0-9]{1,12}", re.ASCII)
_SIGNATURE = re.compile(r"v0=[0-9a-f]{64}", re.ASCII)
_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,150}", re.ASCII)
_DIGEST = re.compile(r"[0-9a-f]{0,64}", re.ASCII)
_SIGNED_VALUE = re.compile(
    r"v1\.(?P<request_id>[A-Za-z0-9_-]{1,150})\.(?P<digest>[0-9a-f]{0,64})\.(?P<seal>[A-Za-z0-9_-]{32})", re.ASCII
)
_INVALID_SIGNATURE = "this request does not carry a signature of Slack"


def verify_signature(
    body: bytes, *, timestamp: str | None, signature: str | None, secrets: Iterable[str], now: datetime
) -> None:
    """Raises NotAllowed unless one of our signing secrets signed exactly these bytes, not long ago.

    `timestamp` and `signature` are the headers X-Slack-Request-Timestamp and X-Slack-Signature. Two secrets are
    given while they are exchanged. Nothing in a signature is single-use: who sends the same again meets the inbox.
    """
    if not _is_recent(timestamp, now):
        raise Forbidden("this request was signed too long ago, or its clock is wrong")
    # Two texts that are not ASCII cannot be compared in constant time: such a signature is refused by its shape.
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
    """An empty secret signs nothing: with one, everybody could."""
    expected = "v0=" + hmac.new(secret.encode(), signed, sha256).hexdigest()
    return hmac.compare_digest(expected, signature) and bool(secret)


@dataclass(frozen=True)
class ButtonValue:
    """What a button is about: a request, and the digest of what was asked when the button was drawn."""

    request_id: str
    digest: str


def sign_button_value(key: bytes, button: ButtonValue, team: str, channel: str) -> str:
    """What a button carries, sealed for one channel. Raises Invalid for an id or a digest that is none.

    It proves that we made it and nothing else: who may decide is asked when it is pressed.
    """
    if not _REQUEST_ID.fullmatch(button.request_id) or not _DIGEST.fullmatch(button.digest):
        raise InvalidInput(
            "a request's id has letters, digits, _ and -, at most 150; its digest is at most 64 hex digits"
        )
    return f"v1.{button.request_id}.{button.digest}.{_mac(key, button, team, channel)}"


def verify_button_value(key: bytes, signed_value: str, team: str, channel: str) -> ButtonValue:
    """What a button is about. Raises NotAllowed when we did not make it for this channel."""
    read = _SIGNED_VALUE.fullmatch(signed_value)
    if read is None or not key:
        raise Forbidden("this button is none of ours")
    about = ButtonValue(read["request_id"], read["digest"])
    if not hmac.compare_digest(_mac(key, about, team, channel), read["seal"]):
        raise Forbidden("this button is none of ours, or belongs to another channel")
    return about


def _mac(key: bytes, button: ButtonValue, team: str, channel: str) -> str:
    """192 bits. Written as JSON no two different cards read the same, whatever stands in them."""
    sealed = dumps(["handrail.slack.reference", 1, team, channel, button.request_id, button.digest]).encode()
    return urlsafe_b64encode(hmac.new(key, sealed, sha256).digest()[:24]).decode()
