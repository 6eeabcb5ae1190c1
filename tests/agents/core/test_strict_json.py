"""Tests of the strict JSON parser: any JSON value is returned, and everything else is rejected with its reason."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.core.canonical_json import parse_strict_json
from agents.core.errors import InvalidInput

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(value=JSON_VALUES, is_ascii_only=st.booleans())
def test_any_json_value_is_parsed(value: object, is_ascii_only: bool) -> None:
    assert parse_strict_json(json.dumps(value, ensure_ascii=is_ascii_only).encode()) == value


@given(raw=st.binary(max_size=200) | st.text().map(lambda text: text.encode(errors="surrogatepass")))
def test_any_bytes_are_parsed_or_refused(raw: bytes) -> None:
    with suppress(InvalidInput):
        parse_strict_json(raw)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "Expecting value at character 0"),
        (b'{"a": ', "Expecting value at character 6"),
        (b'{"a": NaN}', "NaN and Infinity are not allowed"),
        (b'{"a": -Infinity}', "NaN and Infinity are not allowed"),
        (b'{"a": 1e999}', "NaN and Infinity are not allowed"),
        (b'{"a": 1, "a": 2}', "the same key twice"),
        (b'{"a": "\\ud800"}', "not valid UTF-8"),
        (b'{"\\udc00": 1}', "not valid UTF-8"),
        (b'{"a": "\xff"}', "not valid UTF-8"),
        (b'\xef\xbb\xbf{"a": 1}', "BOM"),
        (b"[" * 200_000, "nesting is too deep"),
        (b"9" * 5_000, "number is too long"),
    ],
)
def test_invalid_json_is_refused_with_its_reason(raw: bytes, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        parse_strict_json(raw)


def test_half_of_a_surrogate_pair_in_a_text_is_refused() -> None:
    with pytest.raises(InvalidInput, match="surrogate"):
        parse_strict_json('"\ud800"')
