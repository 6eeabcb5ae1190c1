"""Tests of the signatures of Slack requests and of button values."""

import hmac
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st
from slack_sdk.signature import SignatureVerifier

from agents.core.errors import Forbidden, InvalidInput
from channels.slack.signing import (
    MAX_BUTTON_VALUE_LENGTH,
    ButtonValue,
    sign_button_value,
    verify_button_value,
    verify_signature,
)

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
BODY = b'{"type":"event_callback"}'
KEY = b"k" * 32


def signature(body: bytes, timestamp: str, secret: str = SECRET) -> str:
    return "v0=" + hmac.new(secret.encode(), f"v0:{timestamp}:".encode() + body, sha256).hexdigest()


def timestamp_after(seconds: int = 0) -> str:
    return str(int((NOW + timedelta(seconds=seconds)).timestamp()))


def test_accepts_a_signature_of_the_slack_sdk() -> None:
    signed = SignatureVerifier(SECRET).generate_signature(timestamp=timestamp_after(), body=BODY)
    verify_signature(BODY, timestamp=timestamp_after(), signature=signed, secrets=[SECRET], now=NOW)


@pytest.mark.parametrize("offset", [-300, 0, 240, 300])
def test_signature_is_valid_for_five_minutes(offset: int) -> None:
    verify_signature(
        BODY,
        timestamp=timestamp_after(offset),
        signature=signature(BODY, timestamp_after(offset)),
        secrets=["other", SECRET],
        now=NOW,
    )


@pytest.mark.parametrize("offset", [-301, 301, 10**9])
def test_signature_outside_the_window_is_rejected(offset: int) -> None:
    with pytest.raises(Forbidden):
        verify_signature(
            BODY,
            timestamp=timestamp_after(offset),
            signature=signature(BODY, timestamp_after(offset)),
            secrets=[SECRET],
            now=NOW,
        )


@pytest.mark.parametrize("timestamp", [None, "", "abc", "nan", "1e9", "-1", " 1", "9" * 400, "١٢٣", "1700000000.5"])
def test_malformed_timestamp_is_rejected(timestamp: str | None) -> None:
    with pytest.raises(Forbidden):
        verify_signature(
            BODY, timestamp=timestamp, signature=signature(BODY, str(timestamp)), secrets=[SECRET], now=NOW
        )


@pytest.mark.parametrize(
    "signature", [None, "", "v0=", "v0=é", "v1=" + "0" * 64, "v0=" + "0" * 64, "v0=" + "\u0660" * 64]
)
def test_malformed_signature_is_rejected(signature: str | None) -> None:
    with pytest.raises(Forbidden):
        verify_signature(BODY, timestamp=timestamp_after(), signature=signature, secrets=[SECRET], now=NOW)


def test_changed_body_is_rejected() -> None:
    with pytest.raises(Forbidden):
        verify_signature(
            BODY + b" ",
            timestamp=timestamp_after(),
            signature=signature(BODY, timestamp_after()),
            secrets=[SECRET],
            now=NOW,
        )


def test_signature_with_an_empty_secret_is_rejected() -> None:
    with pytest.raises(Forbidden):
        verify_signature(
            BODY,
            timestamp=timestamp_after(),
            signature=signature(BODY, timestamp_after(), ""),
            secrets=["", SECRET],
            now=NOW,
        )


def test_without_a_secret_every_signature_is_rejected() -> None:
    with pytest.raises(Forbidden):
        verify_signature(
            BODY, timestamp=timestamp_after(), signature=signature(BODY, timestamp_after()), secrets=[], now=NOW
        )


@given(body=st.binary(), timestamp=st.none() | st.text(), signed=st.none() | st.text())
def test_any_unsigned_request_raises_forbidden(body: bytes, timestamp: str | None, signed: str | None) -> None:
    with pytest.raises(Forbidden):
        verify_signature(body, timestamp=timestamp, signature=signed, secrets=[SECRET], now=NOW)


ids = st.from_regex(r"[A-Za-z0-9_-]{1,150}", fullmatch=True)
digests = st.from_regex(r"[0-9a-f]{0,64}", fullmatch=True)
BUTTON = ButtonValue("req_1", "ab12")


@given(button=st.builds(ButtonValue, ids, digests), team=st.text(), channel=st.text())
def test_signed_value_round_trips_and_fits_a_button(button: ButtonValue, team: str, channel: str) -> None:
    signed_value = sign_button_value(KEY, button, team, channel)
    assert len(signed_value) <= MAX_BUTTON_VALUE_LENGTH
    assert verify_button_value(KEY, signed_value, team, channel) == button


@pytest.mark.parametrize(("team", "channel"), [("T2", "C1"), ("T1", "C2"), ("T1C", "1"), ("", "T1C1")])
def test_signed_value_is_rejected_in_another_channel(team: str, channel: str) -> None:
    with pytest.raises(Forbidden):
        verify_button_value(KEY, sign_button_value(KEY, BUTTON, "T1", "C1"), team, channel)


def test_value_signed_with_another_key_is_rejected() -> None:
    with pytest.raises(Forbidden):
        verify_button_value(KEY, sign_button_value(b"other", BUTTON, "T1", "C1"), "T1", "C1")


def test_value_signed_with_an_empty_key_is_rejected() -> None:
    with pytest.raises(Forbidden):
        verify_button_value(b"", sign_button_value(b"", BUTTON, "T1", "C1"), "T1", "C1")


@given(st.text())
def test_forged_value_is_rejected(forged: str) -> None:
    with pytest.raises(Forbidden):
        verify_button_value(KEY, forged, "T1", "C1")


@given(st.builds(ButtonValue, ids, digests), st.builds(ButtonValue, ids, digests))
def test_mac_of_another_value_is_rejected(one: ButtonValue, other: ButtonValue) -> None:
    mac = sign_button_value(KEY, one, "T1", "C1").rpartition(".")[2]
    forged = f"v1.{other.request_id}.{other.digest}.{mac}"
    if one != other:
        with pytest.raises(Forbidden):
            verify_button_value(KEY, forged, "T1", "C1")


@pytest.mark.parametrize("odd", ["", "a.b", "a b", "é", "x" * 151])
def test_malformed_request_id_is_not_signed(odd: str) -> None:
    with pytest.raises(InvalidInput):
        sign_button_value(KEY, ButtonValue(odd, ""), "T1", "C1")


@pytest.mark.parametrize("odd", ["AB", "a.b", " ", "a" * 65])
def test_malformed_digest_is_not_signed(odd: str) -> None:
    with pytest.raises(InvalidInput):
        sign_button_value(KEY, ButtonValue("req_1", odd), "T1", "C1")
