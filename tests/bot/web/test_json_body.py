import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.exceptions import HTTPException

from bot.web.json_body import parse_json

JSON = st.recursive(
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


@given(value=JSON, ascii_only=st.booleans())
def test_whatever_json_can_say_is_read(value: object, ascii_only: bool) -> None:
    assert parse_json(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@given(raw=st.binary(max_size=200) | st.text().map(lambda text: text.encode(errors="surrogatepass")))
def test_any_bytes_are_read_or_refused_and_never_break(raw: bytes) -> None:
    with suppress(HTTPException):
        parse_json(raw)


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "Expecting value at character 0"),
        (b'{"a": ', "Expecting value at character 6"),
        (b'{"a": NaN}', "no NaN"),
        (b'{"a": -Infinity}', "no Infinity"),
        (b'{"a": 1, "a": 2}', "the same key twice"),
        (b'{"a": "\\ud800"}', "not UTF-8"),
        (b'{"\\udc00": 1}', "not UTF-8"),
        (b'{"a": "\xff"}', "not UTF-8"),
        (b'\xef\xbb\xbf{"a": 1}', "BOM"),
        (b"[" * 200_000, "beyond all reason"),
        (b"9" * 5_000, "beyond all reason"),
    ],
)
def test_what_cannot_be_kept_is_refused_with_its_reason(raw: bytes, why: str) -> None:
    with pytest.raises(HTTPException) as refused:
        parse_json(raw)
    assert refused.value.status_code == 400
    assert why in refused.value.detail
