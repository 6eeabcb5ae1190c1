"""Forms of answer pages are parsed or rejected, and their origin is written as browsers write it."""

from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.api.answer_form import origin_of, parse_form

FORM = "application/x-www-form-urlencoded; charset=utf-8"


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=40), max_size=10))
def test_fields_survive_the_encoding_of_browsers(fields: dict[str, str]) -> None:
    assert parse_form(FORM, urlencode(fields).encode()) == fields


@given(st.binary(max_size=200))
def test_any_body_is_parsed_or_rejected(body: bytes) -> None:
    fields = parse_form(FORM, body)
    assert fields is None or all(isinstance(value, str) for value in fields.values())
    assert parse_form("text/plain", body) is None


def test_first_field_of_a_name_counts() -> None:
    assert parse_form(FORM, b"decision=deny&decision=approve") == {"decision": "deny"}


@pytest.mark.parametrize("body", [b"code=%ff", b"code=\xff", b"&".join([b"a=b"] * 21)])
def test_broken_or_excessive_form_is_rejected(body: bytes) -> None:
    assert parse_form(FORM, body) is None


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("http://localhost:8000", "http://localhost:8000"),
        ("https://Handrail.test:443/bot", "https://handrail.test"),
        ("http://handrail.test:443", "http://handrail.test:443"),
        ("http://[::1]:80", "http://[::1]"),
    ],
)
def test_origin_has_no_path_and_no_default_port(url: str, origin: str) -> None:
    assert origin_of(url) == origin
