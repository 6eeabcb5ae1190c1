"""Twilio's signatures: the provider's examples, and what is refused."""

from collections.abc import Mapping
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.core.errors import Forbidden
from channels.base import HttpRequest
from channels.sms.signing import verify_signature
from tests.fakes.twilio.phones import sign

TOKEN, PUBLIC_URL, PATH = "12345", "https://rail.handrail.test", "/channels/sms/messages"
FORM = {
    "CallSid": "CA1234567890ABCDE",
    "Digits": "1234",
    "From": "+14158675309",
    "To": "+18005551212",
    "Caller": "+14158675309",
}
FORM_TYPE = "application/x-www-form-urlencoded; charset=utf-8"


def request_with(
    body: bytes, signature: str, *, path: str = PATH, query: str = "", content_type: str = FORM_TYPE
) -> HttpRequest:
    headers = {"content-type": content_type, "x-twilio-signature": signature}
    return HttpRequest("POST", path, {name: value for name, value in headers.items() if value}, body, query)


def test_documented_form_signature_is_valid() -> None:
    # twilio.com/docs/usage/security, and the tests of twilio-python
    request = request_with(
        urlencode(FORM).encode(), "RSOYDt4T1cUTdK1PDd93/VVr8B8=", path="/myapp.php", query="foo=1&bar=2"
    )
    verify_signature(request, "https://mycompany.com", [TOKEN])
    verify_signature(request, "https://mycompany.com", ["new", TOKEN])


def test_documented_json_signature_is_valid_for_its_body_only() -> None:
    body = b'{"property": "value", "boolean": true}'
    digest = "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620"
    query, signature = f"foo=1&bar=2&bodySHA256={digest}", "a9nBmqA0ju/hNViExpshrM61xv4="
    options = {"path": "/myapp.php", "query": query, "content_type": "application/json"}
    verify_signature(request_with(body, signature, **options), "https://mycompany.com", [TOKEN])
    with pytest.raises(Forbidden):
        verify_signature(request_with(body + b" ", signature, **options), "https://mycompany.com", [TOKEN])


def test_json_without_a_digest_is_refused() -> None:
    signature = sign(TOKEN, PUBLIC_URL + PATH, {})
    for body in (b"{}", b'{"MessageSid": "SM1"}'):
        with pytest.raises(Forbidden):
            verify_signature(request_with(body, signature, content_type="application/json"), PUBLIC_URL, [TOKEN])


@pytest.mark.parametrize("base_url", ["https://rail.handrail.test", "https://rail.handrail.test:443"])
def test_default_port_may_be_in_the_signed_url(base_url: str) -> None:
    signature = sign(TOKEN, base_url + PATH, FORM)
    verify_signature(request_with(urlencode(FORM).encode(), signature), PUBLIC_URL, [TOKEN])


@pytest.mark.parametrize(
    "signature", ["", "x", "é", "0" * 28, "RSOYDt4T1cUTdK1PDd93/VVr8B8=", sign(TOKEN, PUBLIC_URL, FORM)]
)
def test_missing_malformed_and_foreign_signatures_are_refused(signature: str) -> None:
    with pytest.raises(Forbidden):
        verify_signature(request_with(urlencode(FORM).encode(), signature), PUBLIC_URL, [TOKEN])


def test_empty_token_signs_nothing() -> None:
    with pytest.raises(Forbidden):
        verify_signature(
            request_with(urlencode(FORM).encode(), sign("", PUBLIC_URL + PATH, FORM)), PUBLIC_URL, ["", "x"]
        )


def test_repeated_and_blank_parameters_are_part_of_the_signature() -> None:
    pairs = [("Body", ""), ("MediaUrl", "b"), ("MediaUrl", "a"), ("MediaUrl", "a"), ("Zip", "")]
    signature = sign(TOKEN, PUBLIC_URL + PATH, {"Body": "", "MediaUrl": "aMediaUrlb", "Zip": ""})
    verify_signature(request_with(urlencode(pairs).encode(), signature), PUBLIC_URL, [TOKEN])
    with pytest.raises(Forbidden):
        verify_signature(request_with(urlencode(pairs[:-1]).encode(), signature), PUBLIC_URL, [TOKEN])


forms = st.dictionaries(
    st.text(st.characters(codec="utf-8"), min_size=1), st.text(st.characters(codec="utf-8")), min_size=1
)


@given(forms, st.data())
def test_changed_form_is_refused_and_the_signed_one_accepted(form: Mapping[str, str], data: st.DataObject) -> None:
    signature, body = sign(TOKEN, PUBLIC_URL + PATH, form), urlencode(form).encode()
    verify_signature(request_with(body, signature), PUBLIC_URL, [TOKEN])
    name = data.draw(st.sampled_from(sorted(form)))
    changed = {**form, name: form[name] + "x"}
    with pytest.raises(Forbidden):
        verify_signature(request_with(urlencode(changed).encode(), signature), PUBLIC_URL, [TOKEN])
