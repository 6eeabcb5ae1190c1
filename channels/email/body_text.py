"""Text parts of a mail: charset, format=flowed (RFC 3676), the armour of PGP signatures, and invisible characters."""

import codecs
import re

from charset_normalizer import from_bytes

MAX_TEXT_BYTES = 1_000_000
MAX_TEXT_LINES = 50_000
DETECTION_BYTES = 8192

_UNSAFE_CODECS = frozenset({"idna", "mbcs", "oem", "punycode", "raw_unicode_escape", "undefined", "unicode_escape"})
"""Codecs that take quadratic time, depend on the machine or give characters that the sender did not write."""
_LATIN_1 = frozenset({"ascii", "iso8859-1"})
_INVISIBLE = dict.fromkeys(
    [
        *(code for code in range(0x20) if code not in (0x09, 0x0A)),
        *range(0x7F, 0xA0),
        0x00AD,  # soft hyphen
        0x200B,  # zero width space
        0x2060,  # word joiner
        0xFEFF,  # byte order mark
        *range(0xD800, 0xE000),  # halves of surrogate pairs, which cannot be encoded
    ]
)
_CLEANING = {**_INVISIBLE, 0x85: "\n", 0xA0: " ", 0x2028: "\n", 0x2029: "\n"}

_ARMOUR_BEGIN = "-----BEGIN PGP SIGNED MESSAGE-----"
_ARMOUR_SIGNATURE = "-----BEGIN PGP SIGNATURE-----"
_ARMOUR_END = "-----END PGP SIGNATURE-----"
_STUB_WORDS = re.compile(r"\bhtml\b", re.IGNORECASE)
MAX_STUB_LENGTH = 300


def decode_text(data: bytes, charset: str | None) -> str:
    """Return the text of at most MAX_TEXT_BYTES, decoded by the declared charset, else UTF-8, else the likeliest."""
    if len(data) > MAX_TEXT_BYTES:
        data = data[:MAX_TEXT_BYTES].rpartition(b"\n")[0] or data[:MAX_TEXT_BYTES]
    for name in (_find_codec(charset), "utf-8"):
        try:
            if name is not None:
                return data.decode(name)
        except (UnicodeError, LookupError, ValueError):
            continue
    return data.decode(_detect_charset(data) or "cp1252", "replace")


def _find_codec(charset: str | None) -> str | None:
    """Return the name of the codec for a declared charset. Latin-1 means cp1252, as in every mail program."""
    try:
        codec = codecs.lookup((charset or "")[:40].strip().strip("\"'"))
    except (LookupError, ValueError):
        return None
    if codec.name.replace("-", "_") in _UNSAFE_CODECS or not getattr(codec, "_is_text_encoding", False):
        return None
    return None if codec.name in _LATIN_1 and codec.name == "ascii" else _wide_codec(codec.name)


def _wide_codec(name: str) -> str:
    return {"iso8859-1": "cp1252", "gb2312": "gb18030", "gbk": "gb18030", "shift_jis": "cp932"}.get(name, name)


def _detect_charset(data: bytes) -> str | None:
    best = from_bytes(data[:DETECTION_BYTES]).best()
    name = _find_codec(best.encoding) if best is not None else None
    try:
        "".encode(name or "ascii")
    except (UnicodeError, LookupError):
        return None
    return name


def clean_text(text: str) -> str:
    """Return the text with LF as line end, ordinary spaces, and without control and invisible characters."""
    return text.replace("\r\n", "\n").replace("\r", "\n").translate(_CLEANING)


def unwrap_flowed(text: str, *, deletes_spaces: bool = False) -> str:
    """Join the lines of format=flowed that end with a space (RFC 3676 §4). Quote marks become `> ` for each level.

    `deletes_spaces` is the parameter DelSp=yes: the space at the end of a line is no part of the text.
    """
    paragraphs: list[tuple[int, list[str]]] = []
    is_open = False
    for line in text.split("\n"):
        content = line.lstrip(">")
        depth = len(line) - len(content)
        content = content.removeprefix(" ")
        is_signature = content == "-- "
        is_flowed = content.endswith(" ") and not is_signature
        if is_flowed and deletes_spaces:
            content = content[:-1]
        if is_open and paragraphs[-1][0] == depth and not is_signature:
            paragraphs[-1][1].append(content)
        else:
            paragraphs.append((depth, [content]))
        is_open = is_flowed
    return "\n".join(f"{'> ' * min(depth, 20)}{''.join(parts)}" for depth, parts in paragraphs)


def strip_pgp_armour(text: str) -> str:
    """Return a text signed in the old inline form of PGP (RFC 4880 §7) without headers, signature and dash escapes."""
    before, begin, signed = _partition_at_line(text, _ARMOUR_BEGIN)
    if not begin:
        return text
    signed = signed.partition("\n\n")[2] if "\n\n" in signed[:1000] else signed
    content, _, rest = _partition_at_line(signed, _ARMOUR_SIGNATURE)
    after = _partition_at_line(rest, _ARMOUR_END)[2]
    lines = [line.removeprefix("- ") if line.startswith("- -") else line for line in content.split("\n")]
    return "\n".join(part for part in (before.rstrip("\n"), "\n".join(lines).strip("\n"), after.strip("\n")) if part)


def _partition_at_line(text: str, mark: str) -> tuple[str, str, str]:
    """Partition at the first line that begins with the mark; the rest of this line is dropped."""
    before, found, rest = f"\n{text}".partition(f"\n{mark}")
    return before.removeprefix("\n"), found, rest.partition("\n")[2]


def is_stub(text: str) -> bool:
    """Return whether a text part is empty or only says that the mail is HTML."""
    stripped = text.strip()
    return not stripped or (len(stripped) <= MAX_STUB_LENGTH and bool(_STUB_WORDS.search(stripped)))
