"""Encoding of mails as MIME (RFC 2045, RFC 2047, RFC 5322), with the same bytes for the same input.

The policies of the standard library fold long headers differently in each release, and some accept line breaks from
the value. So headers are encoded here, and the result is parsed again and compared with what it should say.
"""

import base64
import quopri
import re
from collections.abc import Iterator, Mapping
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from hashlib import sha256

from agents.core.errors import Permanent
from agents.core.visible_text import is_hidden
from channels.email.rendering import RenderedMail

MAX_LINE_LENGTH = 76
"""Limit in characters for lines (RFC 2045 §6.7, RFC 2047 §2). RFC 5322 §2.1.1 allows 998 for longer words."""
_MAX_WORD_BYTES = 45
"""Bytes in an encoded word: 60 characters of Base64 and the 12 of `=?utf-8?b?` and `?=`."""
_MAX_SUBJECT_LENGTH = 200
_NAME = re.compile(r"[A-Za-z][A-Za-z-]{0,50}", re.ASCII)
_ASCII_VALUE = re.compile(r"[!-~](?:[ -~]*[!-~])?", re.ASCII)
_UNSTRUCTURED_HEADERS = frozenset({"subject"})


def header_text(value: str, limit: int) -> str:
    """Return a text for a header: on one line, without hidden characters and encoded words, at most `limit` long."""
    visible = "".join(" " if is_hidden(character) else character for character in value)
    text = " ".join(visible.replace("=?", "= ?").split())
    return text if len(text) <= limit else f"{text[: limit - 1].rstrip()}…"


def build_mail(mail: RenderedMail, headers: Mapping[str, str]) -> bytes:
    """Return the mail as bytes. All headers but the subject must be printable ASCII. Raises Permanent if they are not.

    The Subject is that of the mail; MIME headers are added.
    """
    boundary = f"=_{sha256(headers.get('Message-ID', mail.subject).encode()).hexdigest()[:24]}"
    all_headers = {
        **headers,
        "Subject": header_text(mail.subject, _MAX_SUBJECT_LENGTH),
        "MIME-Version": "1.0",
        "Content-Type": f'multipart/alternative; boundary="{boundary}"',
    }
    lines = [f"{name}: {_encode_header(name, value)}" for name, value in all_headers.items()]
    parts = [_encode_part("plain", mail.text), _encode_part("html", mail.html)]
    delimiter = f"--{boundary}\r\n".encode()
    body = b"".join(delimiter + part for part in parts) + f"--{boundary}--\r\n".encode()
    content = "\r\n".join([*lines, "", ""]).encode("ascii") + body
    _verify(content, mail, all_headers)
    return content


def _encode_header(name: str, value: str) -> str:
    if not _NAME.fullmatch(name):
        raise _encoding_error()
    if _ASCII_VALUE.fullmatch(value) and "=?" not in value:
        return "\r\n ".join(_fold(value, MAX_LINE_LENGTH - len(name) - 2))
    if name.lower() not in _UNSTRUCTURED_HEADERS:
        raise _encoding_error()
    return "\r\n ".join(_encode_words(value))


def _fold(value: str, first_length: int) -> Iterator[str]:
    """Yield the lines of a value, broken at single spaces. The first has less room, because of the header's name."""
    line, limit = "", first_length
    for word in value.split(" "):
        if line.strip() and word and len(line) + 1 + len(word) > limit:
            yield line
            line, limit = word, MAX_LINE_LENGTH - 1
        else:
            line = f"{line} {word}" if line else word
    yield line


def _encode_words(value: str) -> Iterator[str]:
    """Yield encoded words, none of which splits a character (RFC 2047 §5)."""
    chunk = b""
    for character in value:
        encoded = character.encode()
        if len(chunk) + len(encoded) > _MAX_WORD_BYTES:
            yield _encode_word(chunk)
            chunk = b""
        chunk += encoded
    yield _encode_word(chunk)


def _encode_word(chunk: bytes) -> str:
    return f"=?utf-8?b?{base64.b64encode(chunk).decode()}?="


def _encode_part(subtype: str, text: str) -> bytes:
    """Return a part with its headers: quoted-printable, or Base64 where that is shorter, as for Chinese."""
    raw = text.replace("\r\n", "\n").replace("\n", "\r\n").encode()
    quoted = quopri.encodestring(raw.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")
    encoded, name = quoted, "quoted-printable"
    if len(quoted) > len(raw) * 3 // 2:
        encoded, name = base64.encodebytes(raw).replace(b"\n", b"\r\n"), "base64"
    header = f"Content-Type: text/{subtype}; charset=utf-8\r\nContent-Transfer-Encoding: {name}\r\n\r\n"
    return header.encode() + encoded + (b"" if encoded.endswith(b"\r\n") else b"\r\n")


def _verify(content: bytes, mail: RenderedMail, headers: Mapping[str, str]) -> None:
    """Parse the mail again. Raises Permanent if it does not say exactly what it should."""
    parsed = message_from_bytes(content, policy=default)
    assert isinstance(parsed, EmailMessage)  # noqa: S101 - the class of the policy
    found = [(name, " ".join(str(value).split())) for name, value in parsed.items()]
    intended = [(name, " ".join(value.split())) for name, value in headers.items()]
    texts = [part.get_content() for part in parsed.iter_parts() if isinstance(part, EmailMessage)]
    if found != intended or [_comparable(text) for text in texts] != [_comparable(mail.text), _comparable(mail.html)]:
        raise _encoding_error()


def _comparable(text: str) -> str:
    return text.replace("\r\n", "\n").rstrip("\n")


def _encoding_error() -> Permanent:
    return Permanent("the mail could not be encoded")
