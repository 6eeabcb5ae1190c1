"""A mail that is parsed again says exactly what it should, in lines that every server accepts."""

import email
from email import policy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.core.errors import Permanent
from channels.email.mime_builder import build_mail, header_text
from channels.email.rendering import RenderedMail

HEADERS = {"From": "Handrail <bot@bot.test>", "Message-ID": "<m1@bot.test>"}
ATOMS = st.text(st.sampled_from("abcXYZ019.!#$%&'*+/=?^_`{|}~-"), min_size=1, max_size=60)
MESSAGE_IDS = (
    st.tuples(ATOMS, ATOMS).map(lambda parts: f"<{parts[0]}@{parts[1]}>").filter(lambda text: "=?" not in text)
)
SUBJECTS = st.text(max_size=300) | st.lists(
    st.sampled_from(["=?utf-8?q?x?=", "=?", "?=", "\r\nBcc: eve@evil.test", "\u202e", "ü", "漢字", " ", "\t", "a", ":"])
).map("".join)


def create_mail(subject: str = "Hello", text: str = "text\n", html: str = "<p>text</p>\n") -> RenderedMail:
    return RenderedMail(subject, text, html)


def lines_of(content: bytes) -> list[bytes]:
    return content.split(b"\r\n")


@given(SUBJECTS, st.lists(MESSAGE_IDS, min_size=1, max_size=25))
def test_parsed_headers_are_exactly_the_intended_ones(subject, references):
    headers = {**HEADERS, "References": " ".join(references), "In-Reply-To": references[-1]}
    content = build_mail(create_mail(subject), headers)
    for parsing_policy in (policy.default, policy.SMTP, policy.compat32):
        parsed = email.message_from_bytes(content, policy=parsing_policy)
        assert parsed.keys() == [*headers, "Subject", "MIME-Version", "Content-Type"]
        assert parsed["References"].split() == references
        assert "".join(parsed["In-Reply-To"].split()) == references[-1]
    parsed = email.message_from_bytes(content, policy=policy.default)
    assert " ".join(parsed["Subject"].split()) == header_text(subject, 200)
    assert parsed.defects == []
    assert all(len(line) <= 998 for line in lines_of(content))
    assert content.isascii()


@given(st.text(), st.text())
def test_parsed_texts_are_those_of_the_mail(text, html):
    try:
        content = build_mail(create_mail(text=text, html=html), HEADERS)
    except Permanent:
        assert set(text + html) & set("\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029")  # other line breaks than LF
        return
    parsed = email.message_from_bytes(content, policy=policy.default)
    contents = [part.get_content().replace("\r\n", "\n").rstrip("\n") for part in parsed.iter_parts()]
    assert contents == [text.replace("\r\n", "\n").rstrip("\n"), html.replace("\r\n", "\n").rstrip("\n")]
    assert [part.get_content_type() for part in parsed.iter_parts()] == ["text/plain", "text/html"]
    assert all(len(line) <= 78 for line in lines_of(content))
    assert b"\r" not in content.replace(b"\r\n", b"")
    assert b"\n" not in content.replace(b"\r\n", b"")


@given(st.text(), st.integers(1, 50))
def test_header_text_is_one_short_visible_line(value, limit):
    text = header_text(value, limit)
    assert len(text) <= limit
    assert text.isprintable()
    assert text == " ".join(text.split())
    assert "=?" not in text


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("plain text", b"quoted-printable"),
        ("Grüße aus München am Rhein", b"quoted-printable"),
        ("承認してください" * 20, b"base64"),
    ],
)
def test_text_has_the_shorter_encoding(text, encoding):
    assert b"Content-Transfer-Encoding: " + encoding in build_mail(create_mail(text=text, html=text), HEADERS)


def test_same_input_gives_the_same_bytes():
    assert build_mail(create_mail(), HEADERS) == build_mail(create_mail(), HEADERS)
    other = {**HEADERS, "Message-ID": "<m2@bot.test>"}
    assert build_mail(create_mail(), other) != build_mail(create_mail(), HEADERS)


@pytest.mark.parametrize(
    "headers",
    [
        {"From": "Handrail <bot@bot.test>\r\nBcc: eve@evil.test"},
        {"From": "Jürgen <bot@bot.test>"},
        {"To": "=?utf-8?q?eve?= <eve@evil.test>"},
        {"References": ""},
        {"Bad Name": "x"},
        {"Bad:": "x"},
        {"X-Loop": "a\0b"},
    ],
)
def test_header_that_could_mean_something_else_is_refused(headers):
    with pytest.raises(Permanent, match="the mail could not be encoded"):
        build_mail(create_mail(), {**HEADERS, **headers})


def test_long_header_is_folded_between_words():
    content = build_mail(
        create_mail(), {**HEADERS, "References": " ".join(f"<{n}@{'x' * 50}.test>" for n in range(21))}
    )
    assert max(map(len, lines_of(content))) <= 78
    assert content.count(b"\r\n <") == 20
