"""Attachments: their types by their first bytes, and which are dangerous or encrypted. Nothing is unpacked."""

from hashlib import sha256
from typing import Literal

from channels.email.values import Attachment

MAX_NAME_LENGTH = 120
MAX_ZIP_ENTRIES = 5000

_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"%PDF-", "application/pdf"),
    (b"PK\x03\x04", "application/zip"),
    (b"PK\x05\x06", "application/zip"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"BM", "image/bmp"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"\x1f\x8b", "application/gzip"),
    (b"BZh", "application/x-bzip2"),
    (b"\xfd7zXZ\0", "application/x-xz"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"Rar!\x1a\x07", "application/vnd.rar"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
    (b"\x78\x9f\x3e\x22", "application/ms-tnef"),
    (b"{\\rtf", "application/rtf"),
    (b"MZ", "application/vnd.microsoft.portable-executable"),
    (b"\x7fELF", "application/x-elf"),
    (b"\xfe\xed\xfa", "application/x-mach-binary"),
    (b"\xcf\xfa\xed\xfe", "application/x-mach-binary"),
    (b"\xca\xfe\xba\xbe", "application/java-vm"),
    (b"L\0\0\0\x01\x14\x02\0", "application/x-ms-shortcut"),
    (b"#!", "text/x-script"),
    (b"-----BEGIN PGP MESSAGE-----", "application/pgp-encrypted"),
)
_EXECUTABLE_TYPES = frozenset(
    {
        "application/java-vm",
        "application/vnd.microsoft.portable-executable",
        "application/x-elf",
        "application/x-mach-binary",
        "application/x-ms-shortcut",
        "text/x-script",
    }
)
_EXECUTABLE_ENDINGS = frozenset(
    [
        "app",
        "apk",
        "appx",
        "bat",
        "chm",
        "cmd",
        "com",
        "cpl",
        "dll",
        "dmg",
        "exe",
        "gadget",
        "hta",
        "img",
        "inf",
        "iso",
        "jar",
        "jnlp",
        "js",
        "jse",
        "lnk",
        "msc",
        "msi",
        "msix",
        "msp",
        "pif",
        "ps1",
        "psm1",
        "reg",
        "scf",
        "scr",
        "sct",
        "settingcontent-ms",
        "sh",
        "url",
        "vb",
        "vbe",
        "vbs",
        "vhd",
        "vhdx",
        "wsc",
        "wsf",
        "wsh",
        "xll",
    ]
)
_TEXT_SAMPLE_BYTES = 4096


def describe_attachment(name: str, declared_type: str, data: bytes) -> Attachment:
    """Return the record of an attachment with its decoded content."""
    name, sniffed = clean_file_name(name), sniff_type(data)
    return Attachment(
        name=name,
        declared_type=declared_type,
        sniffed_type=sniffed,
        size=len(data),
        sha256=sha256(data).hexdigest(),
        state=_find_state(name, declared_type, sniffed, data),
    )


def sniff_type(data: bytes) -> str:
    """Return the media type by the first bytes; `application/octet-stream` if they show none."""
    if not data:
        return "application/x-empty"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    for signature, media_type in _SIGNATURES:
        if data.startswith(signature):
            return media_type
    return _sniff_text(data[:_TEXT_SAMPLE_BYTES])


def _sniff_text(sample: bytes) -> str:
    if b"\0" in sample:
        return "application/octet-stream"
    start = sample.lstrip()[:200].lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return "text/html"
    if start.startswith(b"begin:vcalendar"):
        return "text/calendar"
    return "text/plain" if _is_utf_8(sample) else "application/octet-stream"


def _is_utf_8(sample: bytes) -> bool:
    """Return whether these bytes are UTF-8, apart from a character that is cut at the end."""
    try:
        sample.decode()
    except UnicodeDecodeError as error:
        return error.start >= len(sample) - 3
    return True


def _find_state(
    name: str, declared_type: str, sniffed: str, data: bytes
) -> Literal["recorded", "blocked", "encrypted"]:
    if sniffed in _EXECUTABLE_TYPES or _has_executable_ending(name):
        return "blocked"
    return "encrypted" if _is_encrypted(declared_type, sniffed, data) else "recorded"


def _has_executable_ending(name: str) -> bool:
    """Return whether a system would run a file of this name. Windows ignores full stops and spaces at the end."""
    return name.rstrip(". ").rpartition(".")[2].lower() in _EXECUTABLE_ENDINGS and "." in name.rstrip(". ")


def _is_encrypted(declared_type: str, sniffed: str, data: bytes) -> bool:
    match sniffed:
        case "application/zip":
            return _is_encrypted_zip(data)
        case "application/pdf":
            return b"/Encrypt" in data
        case "application/x-ole-storage":
            return "EncryptedPackage".encode("utf-16-le") in data
        case "application/pgp-encrypted":
            return True
        case _:
            return declared_type in {"application/pgp-encrypted", "application/x-pkcs7-enveloped"}


def _is_encrypted_zip(data: bytes) -> bool:
    """Return whether bit 0 of the flags is set in the first local or in a central header (APPNOTE.TXT 4.4.4)."""
    if data[6:7] and data[6] & 1:
        return True
    position = -1
    for _ in range(MAX_ZIP_ENTRIES):
        position = data.find(b"PK\x01\x02", position + 1)
        if position < 0 or position + 8 >= len(data):
            return False
        if data[position + 8] & 1:
            return True
    return False


def clean_file_name(name: str) -> str:
    """Return the last part of a path, without control, bidirectional and unencodable characters."""
    name = name[:2000].replace("\\", "/").rpartition("/")[2]
    name = " ".join("".join(character for character in name if _is_shown(character)).split()).strip()
    if len(name) > MAX_NAME_LENGTH:
        stem, _, ending = name.rpartition(".")
        name = f"{(stem or name)[: MAX_NAME_LENGTH - 12]}…{'.' * bool(stem)}{ending[:10]}"
    return name if name.strip(".") else "unnamed"


def _is_shown(character: str) -> bool:
    return character.isprintable() or character == "\N{ZERO WIDTH JOINER}"
