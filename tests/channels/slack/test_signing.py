import hmac
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st
from slack_sdk.signature import SignatureVerifier

from agents.errors import Forbidden, InvalidInput
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


def seconds(after: int = 0) -> str:
    return str(int((NOW + timedelta(seconds=after)).timestamp()))


def test_the_sdk_of_slack_signs_as_we_verify() -> None:
    signed = SignatureVerifier(SECRET).generate_signature(timestamp=seconds(), body=BODY)
    verify_signature(BODY, timestamp=seconds(), signature=signed, secrets=[SECRET], now=NOW)


@pytest.mark.parametrize("after", [-300, 0, 240, 300])
def test_a_signature_holds_for_five_minutes(after: int) -> None:
    verify_signature(
        BODY, timestamp=seconds(after), signature=signature(BODY, seconds(after)), secrets=["other", SECRET], now=NOW
    )


@pytest.mark.parametrize("after", [-301, 301, 10**9])
def test_a_signature_from_another_time_is_refused(after: int) -> None:
    with pytest.raises(Forbidden):
        verify_signature(
            BODY, timestamp=seconds(after), signature=signature(BODY, seconds(after)), secrets=[SECRET], now=NOW
        )


@pytest.mark.parametrize("timestamp", [None, "", "abc", "nan", "1e9", "-1", " 1", "9" * 400, "١٢٣", "1700000000.5"])
def test_an_absurd_timestamp_is_refused(timestamp: str | None) -> None:
    with pytest.raises(Forbidden):
        verify_signature(
            BODY, timestamp=timestamp, signature=signature(BODY, str(timestamp)), secrets=[SECRET], now=NOW
        )


@pytest.mark.parametrize("given", [None, "", "v0=", "v0=é", "v1=" + "0" * 64, "v0=" + "0" * 64, "v0=" + "\u0660" * 64])
def test_a_signature_that_is_none_is_refused(given: str | None) -> None:
    with pytest.raises(Forbidden):
        verify_signature(BODY, timestamp=seconds(), signature=given, secrets=[SECRET], now=NOW)


def test_other_bytes_are_refused() -> None:
    with pytest.raises(Forbidden):
        verify_signature(
            BODY + b" ", timestamp=seconds(), signature=signature(BODY, seconds()), secrets=[SECRET], now=NOW
        )


def test_an_empty_secret_signs_nothing() -> None:
    with pytest.raises(Forbidden):
        verify_signature(
            BODY, timestamp=seconds(), signature=signature(BODY, seconds(), ""), secrets=["", SECRET], now=NOW
        )


def test_without_a_secret_nothing_is_let_in() -> None:
    with pytest.raises(Forbidden):
        verify_signature(BODY, timestamp=seconds(), signature=signature(BODY, seconds()), secrets=[], now=NOW)


@given(body=st.binary(), timestamp=st.none() | st.text(), signed=st.none() | st.text())
def test_whatever_comes_it_is_refused_and_nothing_breaks(
    body: bytes, timestamp: str | None, signed: str | None
) -> None:
    with pytest.raises(Forbidden):
        verify_signature(body, timestamp=timestamp, signature=signed, secrets=[SECRET], now=NOW)


ids = st.from_regex(r"[A-Za-z0-9_-]{1,150}", fullmatch=True)
digests = st.from_regex(r"[0-9a-f]{0,64}", fullmatch=True)
ABOUT = ButtonValue("req_1", "ab12")


@given(about=st.builds(ButtonValue, ids, digests), team=st.text(), channel=st.text())
def test_a_reference_leads_back_to_what_it_is_about_and_fits_a_button(
    about: ButtonValue, team: str, channel: str
) -> None:
    reference = sign_button_value(KEY, about, team, channel)
    assert len(reference) <= MAX_BUTTON_VALUE_LENGTH
    assert verify_button_value(KEY, reference, team, channel) == about


@pytest.mark.parametrize(("team", "channel"), [("T2", "C1"), ("T1", "C2"), ("T1C", "1"), ("", "T1C1")])
def test_a_reference_is_refused_in_another_channel(team: str, channel: str) -> None:
    with pytest.raises(Forbidden):
        verify_button_value(KEY, sign_button_value(KEY, ABOUT, "T1", "C1"), team, channel)


def test_a_reference_made_with_another_key_is_refused() -> None:
    with pytest.raises(Forbidden):
        verify_button_value(KEY, sign_button_value(b"other", ABOUT, "T1", "C1"), "T1", "C1")


def test_a_reference_made_without_a_key_is_refused() -> None:
    with pytest.raises(Forbidden):
        verify_button_value(b"", sign_button_value(b"", ABOUT, "T1", "C1"), "T1", "C1")


@given(st.text())
def test_a_forged_reference_is_refused(forged: str) -> None:
    with pytest.raises(Forbidden):
        verify_button_value(KEY, forged, "T1", "C1")


@given(st.builds(ButtonValue, ids, digests), st.builds(ButtonValue, ids, digests))
def test_a_reference_about_something_else_is_refused(one: ButtonValue, other: ButtonValue) -> None:
    seal = sign_button_value(KEY, one, "T1", "C1").rpartition(".")[2]
    forged = f"v1.{other.request_id}.{other.digest}.{seal}"
    if one != other:
        with pytest.raises(Forbidden):
            verify_button_value(KEY, forged, "T1", "C1")


@pytest.mark.parametrize("odd", ["", "a.b", "a b", "é", "x" * 151])
def test_an_odd_id_is_not_signed(odd: str) -> None:
    with pytest.raises(InvalidInput):
        sign_button_value(KEY, ButtonValue(odd, ""), "T1", "C1")


@pytest.mark.parametrize("odd", ["AB", "a.b", " ", "a" * 65])
def test_an_odd_digest_is_not_signed(odd: str) -> None:
    with pytest.raises(InvalidInput):
        sign_button_value(KEY, ButtonValue("req_1", odd), "T1", "C1")
