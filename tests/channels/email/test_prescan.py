"""The check of a mail's bytes: real mails pass, each limit is kept, and no parser meets what is beyond them."""

from contextlib import suppress
from email import message_from_bytes
from email.message import Message

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.email.prescan import MAX_DEPTH, header_block, iterate_headers, prescan
from channels.email.values import MailRejected
from tests.fakes.email.bombs import HEAD, headers, many_parts, nested_messages, nested_multipart
from tests.fakes.email.make_corpus import list_cases

BELOW_AND_ABOVE = {
    "parameters": (
        headers(b"Content-Type: a/b" + b"; c=d" * 50),
        headers(b"Content-Type: a/b" + b"; c=d" * 51),
        "a header has too many parameters",
    ),
    "headers": (b"X-A: b\r\n" * 1000 + b"\r\n", b"X-A: b\r\n" * 1001 + b"\r\n", "there are too many headers"),
    "header length": (
        headers(b"X-A: " + b"a" * 65_000),
        headers(b"X-A: " + b"a" * 65_600),
        "a header is too long",
    ),
    "header block": (
        b"".join(b"X-%d: %s\r\n" % (n, b"a" * 60_000) for n in range(4)) + b"\r\n",
        b"".join(b"X-%d: %s\r\n" % (n, b"a" * 60_000) for n in range(5)) + b"\r\n",
        "the headers are too long",
    ),
    "addresses": (headers(b"To: " + b"a@b," * 499), headers(b"To: " + b"a@b," * 500), "there are too many addresses"),
    "depth": (nested_multipart(20), nested_multipart(21), "the parts are nested too deep"),
    "depth of messages": (nested_messages(20), nested_messages(21), "the parts are nested too deep"),
    "parts": (many_parts(399), many_parts(400), "there are too many parts"),
}


@pytest.mark.parametrize("name", sorted(BELOW_AND_ABOVE))
def test_limit_accepts_its_value_and_rejects_the_next(name: str) -> None:
    below, above, reason = BELOW_AND_ABOVE[name]
    prescan(below)
    with pytest.raises(MailRejected, match=reason):
        prescan(above)


def test_all_mails_of_the_corpus_pass() -> None:
    for case in list_cases():
        prescan(case.mail)


def test_sibling_parts_are_not_nested() -> None:
    inner = b'Content-Type: multipart/mixed; boundary="i%d"\r\n\r\n--i%d\r\n\r\nx\r\n--i%d--\r\n'
    parts = b"".join(b"--b\r\n" + inner % (n, n, n) for n in range(60))
    prescan(HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + parts + b"--b--\r\n")


@pytest.mark.parametrize("value", [b"boundary*=x", b"boundary*0=x", b"BOUNDARY *0*=us-ascii''x"])
def test_boundary_that_is_written_in_pieces_is_rejected(value: bytes) -> None:
    with pytest.raises(MailRejected, match="a boundary is encoded"):
        prescan(headers(b"Content-Type: multipart/mixed; " + value))


def test_reason_names_nothing_of_the_mail() -> None:
    with pytest.raises(MailRejected) as caught:
        prescan(b"X-Secret: " + b"secret " * 20_000)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("end", [b"\r\n", b"\n", b"\r"])
def test_headers_are_found_with_every_line_end(end: bytes) -> None:
    raw = end.join([b"A: b", b" c", b"D: e", b"", b"body", b"", b"X: y"])
    assert header_block(raw) == end.join([b"A: b", b" c", b"D: e"])
    assert [(name, value.split()) for name, value in iterate_headers(header_block(raw))] == [
        (b"a", [b"b", b"c"]),
        (b"d", [b"e"]),
    ]


PIECES = st.sampled_from(
    [
        b"--b",
        b"--b--",
        b"--c",
        b"--c--",
        b"\r\n",
        b"\n",
        b"\r",
        b"\r\n\r\n",
        b"x",
        b" ",
        b"Content-Type: text/plain\r\n",
    ]
    + [
        b"Content-Type: multipart/mixed; boundary=" + name + b"\r\n\r\n"
        for name in (b"b", b'"c"', b"b; boundary=c", b"")
    ]
    + [b"Content-Type: message/rfc822\r\n\r\n", b"Content-type:multipart/alternative;\r\n\tboundary = c\r\n\r\n"]
)


def depth_of(part: Message) -> int:
    payload = part.get_payload()
    children = payload if isinstance(payload, list) else []
    return 1 + max((depth_of(child) for child in children), default=0)


@given(st.lists(PIECES, max_size=60).map(b"".join))
def test_parser_never_finds_deeper_nesting_than_the_limit(raw: bytes) -> None:
    try:
        prescan(HEAD + raw)
    except MailRejected:
        return
    assert depth_of(message_from_bytes(HEAD + raw)) <= 2 * MAX_DEPTH + 1


@given(st.binary() | st.lists(PIECES).map(b"".join))
def test_any_bytes_are_accepted_or_rejected(raw: bytes) -> None:
    with suppress(MailRejected):
        prescan(raw)
