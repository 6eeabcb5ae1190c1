"""Text parts: charsets, flowed lines, PGP armour and invisible characters."""

# ruff: noqa: RUF001 - texts in several languages

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.email.body_text import clean_text, decode_text, is_stub, strip_pgp_armour, unwrap_flowed

GERMAN = "Grüße aus Köln: bitte erst prüfen, dann veröffentlichen. Schöne Größe – für 5 €."


@pytest.mark.parametrize(
    ("charset", "codec"),
    [
        ("utf-8", "utf-8"),
        ("UTF8", "utf-8"),
        ('"utf-8"', "utf-8"),
        (None, "utf-8"),
        ("us-ascii", "utf-8"),
        ("x-unknown", "utf-8"),
        ("", "utf-8"),
        ("iso-8859-1", "cp1252"),
        ("windows-1252", "cp1252"),
        ("utf-16", "utf-16"),
        ("iso-8859-15", "iso-8859-15"),
    ],
)
def test_text_is_decoded_by_declared_charset_else_utf_8(charset: str | None, codec: str) -> None:
    text = GERMAN.replace("–", "-") if codec == "iso-8859-15" else GERMAN
    assert decode_text(text.encode(codec), charset) == text


@pytest.mark.parametrize(
    ("text", "codec"), [(GERMAN, "cp1252"), ("Пожалуйста, проверьте этот запрос ещё раз сегодня.", "koi8-r")]
)
def test_missing_charset_is_detected(text: str, codec: str) -> None:
    assert decode_text(text.encode(codec), "x-unknown") == text


def test_japanese_and_chinese_charsets_of_windows_are_understood() -> None:
    assert decode_text("①承認".encode("cp932"), "shift_jis") == "①承認"
    assert decode_text("镕批准".encode("gbk"), "gb2312") == "镕批准"


@pytest.mark.parametrize(
    "charset", ["rot13", "hex", "zlib", "punycode", "idna", "unicode_escape", "undefined", "a\0b", "é" * 100]
)
def test_dangerous_charsets_are_not_used(charset: str) -> None:
    assert decode_text(b"APPROVE \\x41", charset) == "APPROVE \\x41"


@given(
    st.binary(max_size=300),
    st.text(max_size=20) | st.sampled_from(["utf-7", "utf-16", "iso-2022-jp", "hz", "big5", "utf-32"]),
)
def test_any_bytes_and_charset_give_text(data: bytes, charset: str) -> None:
    assert clean_text(decode_text(data, charset)).isprintable() is not None


def test_invisible_characters_and_line_ends_are_cleaned() -> None:
    assert clean_text("\ufeffAPP\u00adRO\u200bVE\u00a0K7P2Q\r\nx\ry\u2028z\x07\0") == "APPROVE K7P2Q\nx\ny\nz"
    assert clean_text("👩\u200d🚀 \u200fשלום") == "👩\u200d🚀 \u200fשלום"


def test_flowed_lines_are_joined_by_paragraph_and_depth() -> None:
    text = "A long \nline.\n\n> quoted \n> text\n>> deeper\n stuffed\n-- \nBob \nBerg"
    assert unwrap_flowed(text) == "A long line.\n\n> quoted text\n> > deeper\nstuffed\n-- \nBob Berg"


def test_flowed_lines_without_their_spaces_are_joined() -> None:
    assert unwrap_flowed("日本 \n語", deletes_spaces=True) == "日本語"
    assert unwrap_flowed("a \nb") == "a b"


@given(st.lists(st.sampled_from(["a ", "b", ">", "> c ", ">>d", "", " ", "-- ", " >e"])))
def test_flowed_text_keeps_its_words(lines: list[str]) -> None:
    words = "".join(lines).replace(">", "").replace(" ", "")
    assert unwrap_flowed("\n".join(lines)).replace(">", "").replace(" ", "").replace("\n", "") == words


def test_pgp_armour_is_stripped_and_text_around_it_kept() -> None:
    signed = (
        "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\nAPPROVE K7P2Q\n- -- \nBob\n"
        "-----BEGIN PGP SIGNATURE-----\n\nabc\n-----END PGP SIGNATURE-----"
    )
    assert strip_pgp_armour(f"Hi\n\n{signed}\n\nfooter") == "Hi\nAPPROVE K7P2Q\n-- \nBob\nfooter"
    assert (
        strip_pgp_armour("no armour -----BEGIN PGP SIGNED MESSAGE-----")
        == "no armour -----BEGIN PGP SIGNED MESSAGE-----"
    )


@pytest.mark.parametrize("text", ["", " \n", "This message is in HTML format.", "Ihr Programm kann kein HTML anzeigen"])
def test_text_that_only_names_html_is_a_stub(text: str) -> None:
    assert is_stub(text)
    assert not is_stub("APPROVE K7P2Q")
