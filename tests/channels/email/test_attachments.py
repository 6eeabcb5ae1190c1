"""Attachments: types by content, dangerous and encrypted files, and safe names."""

import io
import zipfile
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.email.attachments import clean_file_name, describe_attachment, sniff_type
from channels.email.mime_reader import read_parts
from tests.fakes.email.composers import multipart_mail, part


def zipped(*, is_encrypted: bool = False) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a.txt", "content")
    data = bytearray(stream.getvalue())
    if is_encrypted:  # the flag alone: zipfile cannot encrypt
        data[6] |= 1
        data[data.find(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (b"%PDF-1.7\n", "application/pdf"),
        (zipped(), "application/zip"),
        (b"\x89PNG\r\n\x1a\n\0\0", "image/png"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        (b"MZ\x90\0", "application/vnd.microsoft.portable-executable"),
        (b"\x7fELF\x02", "application/x-elf"),
        (b"\x78\x9f\x3e\x22\0", "application/ms-tnef"),
        (b"  <!DOCTYPE HTML><p>", "text/html"),
        (b"BEGIN:VCALENDAR\r\n", "text/calendar"),
        ("Grüße".encode(), "text/plain"),
        (("a" * 4095 + "é").encode(), "text/plain"),
        (b"\xff\xfe\0\x01", "application/octet-stream"),
        (b"", "application/x-empty"),
    ],
)
def test_type_is_recognized_by_content(data: bytes, media_type: str) -> None:
    assert sniff_type(data) == media_type


@pytest.mark.parametrize(
    ("name", "declared_type", "data", "state"),
    [
        ("report.pdf", "application/pdf", b"%PDF-1.7", "recorded"),
        ("report.pdf", "application/pdf", b"MZ\x90\0", "blocked"),
        ("report.pdf.exe", "application/pdf", b"x", "blocked"),
        ("report.EXE. ", "application/pdf", b"x", "blocked"),
        ("run", "text/plain", b"#!/bin/sh\n", "blocked"),
        ("sh", "text/plain", b"x", "recorded"),
        ("a.zip", "application/zip", zipped(), "recorded"),
        ("a.zip", "application/zip", zipped(is_encrypted=True), "encrypted"),
        ("a.pdf", "application/pdf", b"%PDF-1.7 /Encrypt 5 0 R", "encrypted"),
        ("a.asc", "application/octet-stream", b"-----BEGIN PGP MESSAGE-----\n", "encrypted"),
    ],
)
def test_dangerous_and_encrypted_files_are_marked(name: str, declared_type: str, data: bytes, state: str) -> None:
    assert describe_attachment(name, declared_type, data).state == state


@pytest.mark.parametrize(
    ("name", "cleaned"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Windows\\a.txt", "a.txt"),
        ("a\r\nb\0.txt", "ab.txt"),
        ("gpj.\u202eexe.txt", "gpj.exe.txt"),
        ("..", "unnamed"),
        ("", "unnamed"),
        ("a  b.txt", "a b.txt"),
    ],
)
def test_names_are_cleaned(name: str, cleaned: str) -> None:
    assert clean_file_name(name) == cleaned


@given(st.text(max_size=300))
def test_any_name_is_short_printable_and_no_path(name: str) -> None:
    cleaned = clean_file_name(name)
    assert 0 < len(cleaned) <= 120
    assert "/" not in cleaned
    assert "\\" not in cleaned
    cleaned.encode()


@given(st.binary(max_size=200))
def test_any_content_is_described(data: bytes) -> None:
    described = describe_attachment("a", "a/b", data)
    assert (described.size, len(described.sha256)) == (len(data), 64)


def test_content_is_hashed_after_decoding() -> None:
    composed = EmailMessage()
    composed.set_content("text")
    composed.add_attachment(b"content", maintype="application", subtype="x-test", filename="Löhne.bin")
    (attachment,) = read_parts(composed.as_bytes()).attachments
    assert attachment == describe_attachment("Löhne.bin", "application/x-test", b"content")


def test_pictures_of_the_html_are_no_attachments_but_attached_ones_are() -> None:
    picture = b"\x89PNG\r\n\x1a\n"
    raw = multipart_mail(
        "related",
        part("<img src='cid:a'>", "text/html"),
        part(picture, "image/png", "Content-ID: <a>"),
        part(picture, "image/png; name=b.png", "Content-ID: <b>", "Content-Disposition: attachment; filename=b.png"),
    )
    assert [attachment.name for attachment in read_parts(raw).attachments] == ["b.png"]


def test_files_of_a_forwarded_mail_are_recorded() -> None:
    inner = b"From: c@corp.test\r\nContent-Type: text/csv; name=a.csv\r\n\r\n1,2\r\n"
    parts = read_parts(multipart_mail("mixed", part("see below", "text/plain"), part(inner, "message/rfc822")))
    assert [attachment.name for attachment in parts.attachments] == ["a.csv"]


def test_encrypted_mail_is_kept_as_encrypted_attachments() -> None:
    raw = multipart_mail(
        "encrypted",
        part("Version: 1", "application/pgp-encrypted"),
        part("-----BEGIN PGP MESSAGE-----\n", "application/octet-stream; name=encrypted.asc"),
    )
    assert [attachment.state for attachment in read_parts(raw).attachments] == ["encrypted", "encrypted"]
