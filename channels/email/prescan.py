"""Check of the bytes of a mail before any parser sees it.

The parser of the standard library takes quadratic time or unlimited memory for some inputs: many parameters in a
header, deep nesting, many parts. The limits exclude these with one linear pass; a real mail is far below all of them.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from channels.email.values import MailRejected

MAX_MAIL_BYTES = 26_214_400
MAX_MAIL_LINES = 600_000
"""Lines of a mail. An attachment of 25 MiB in base64 has 345,000 lines."""
MAX_HEADER_BLOCK_BYTES = 262_144
MAX_HEADERS = 1000
MAX_HEADER_BYTES = 65_536
MAX_FROM_BYTES = 8192
MAX_PARAMETERS = 50
MAX_ADDRESSES = 500
MAX_BOUNDARIES = 200
MAX_PARTS = 400
MAX_DEPTH = 20
MAX_PART_HEADERS = 5000
MAX_REPORT_BLOCKS = 5000
"""Empty lines of a mail with a delivery report, each of which may separate the report of one recipient."""

_HEADER_END = re.compile(rb"(?:\r\n|\n|\r(?!\n))(?:\r\n|\n|\r)")
_STRUCTURE_LINE = re.compile(rb"(?:\A|[\r\n])(?:(--)|(content-[a-z-]{1,40}[ \t]{0,9}:))", re.IGNORECASE)
_BOUNDARY = re.compile(
    rb"boundary[ \t\r\n]{0,9}(\*?)[^=;]{0,9}=[ \t\r\n]{0,9}(?:\"([^\"]{0,300})\"|([^;]{0,300}))", re.IGNORECASE
)
_EMPTY_LINE = re.compile(rb"\n\r?\n|\r\r")
_ADDRESS_HEADERS = frozenset(
    {b"from", b"sender", b"reply-to", b"to", b"cc", b"bcc", b"resent-from", b"resent-to", b"resent-cc", b"return-path"}
)


def prescan(raw: bytes) -> None:
    """Check a mail against the limits. Raises MailRejected, whose text names the limit and nothing of the mail."""
    _require(len(raw) <= MAX_MAIL_BYTES, "the mail is too large")
    _require(raw.count(b"\n") + raw.count(b"\r") - raw.count(b"\r\n") <= MAX_MAIL_LINES, "the mail has too many lines")
    block = header_block(raw)
    _require(len(block) <= MAX_HEADER_BLOCK_BYTES, "the headers are too long")
    for count, (name, value) in enumerate(iterate_headers(block), 1):
        _require(count <= MAX_HEADERS, "there are too many headers")
        _check_header(name, value)
    _check_structure(raw)


def header_block(raw: bytes) -> bytes:
    """Return the headers of a mail without the empty line behind them (RFC 5322 §2.1)."""
    if raw[:1] in (b"\r", b"\n"):
        return b""
    end = _HEADER_END.search(raw)
    return raw if end is None else raw[: end.start()]


def iterate_headers(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield names in lower case and values, folded lines included. Lines without a name end the headers."""
    name, value = b"", bytearray()
    for line in block.splitlines(keepends=True):
        if line[:1] in (b" ", b"\t") and name:
            value += line
            continue
        if name:
            yield name, bytes(value)
        found, _, rest = line.partition(b":")
        name, value = found.rstrip().lower(), bytearray(rest)
    if name:
        yield name, bytes(value)


def _check_header(name: bytes, value: bytes) -> None:
    _require(len(value) <= MAX_HEADER_BYTES, "a header is too long")
    if name.startswith(b"content-"):
        _require(value.count(b";") <= MAX_PARAMETERS, "a header has too many parameters")
    if name in _ADDRESS_HEADERS:
        _require(value.count(b",") < MAX_ADDRESSES, "there are too many addresses")
    if name == b"from":
        _require(len(value) <= MAX_FROM_BYTES, "the From header is too long")


@dataclass
class _Structure:
    """The multipart and message parts that are open at a position of a mail, outermost first.

    Headers in a text count too, until the next boundary line: the nesting that a parser sees is never deeper.
    """

    open_parts: list[bytes | None] = field(default_factory=list)
    boundaries: set[bytes] = field(default_factory=set)
    declared: int = 0
    parts: int = 0
    headers: int = 0
    has_report: bool = False

    def enter(self, boundary: bytes | None) -> None:
        self.open_parts.append(boundary)
        _require(len(self.open_parts) <= MAX_DEPTH, "the parts are nested too deep")
        if boundary is not None:
            self.declared += 1
            self.boundaries.add(boundary)
            _require(self.declared <= MAX_BOUNDARIES, "there are too many multipart sections")

    def pass_line(self, line: bytes) -> None:
        """Count a line that begins with two hyphens if it separates parts, and leave the parts that it ends."""
        boundary = line.rstrip(b" \t")
        if boundary not in self.boundaries:
            boundary = boundary.removesuffix(b"--")
        if boundary not in self.boundaries:
            return
        self.parts += 1
        _require(self.parts <= MAX_PARTS, "there are too many parts")
        if boundary in self.open_parts:
            del self.open_parts[
                self.open_parts.index(boundary) + (not line.rstrip(b" \t").endswith(boundary + b"--")) :
            ]


def _check_structure(raw: bytes) -> None:
    structure = _Structure()
    for match in _STRUCTURE_LINE.finditer(raw):
        if match[1]:
            end = _line_end(raw, match.end(), MAX_HEADER_BYTES)
            structure.pass_line(raw[match.end() : end])
        else:
            _check_content_header(structure, match[2].rstrip(b" \t:").lower(), _folded_value(raw, match.end()))
    if structure.has_report:
        _require(len(_EMPTY_LINE.findall(raw)) <= MAX_REPORT_BLOCKS, "a delivery report is too long")


def _check_content_header(structure: _Structure, name: bytes, value: bytes) -> None:
    structure.headers += 1
    _require(structure.headers <= MAX_PART_HEADERS, "there are too many headers")
    _check_header(name, value)
    if name != b"content-type":
        return
    if b"message/" in value[:200].lower():
        structure.enter(None)
        structure.has_report |= b"delivery-status" in value[:200].lower()
    for match in _BOUNDARY.finditer(value):
        _require(not match[1], "a boundary is encoded")
        structure.enter(b"".join((match[2] if match[2] is not None else match[3].strip()).splitlines()).rstrip())


def _folded_value(raw: bytes, start: int) -> bytes:
    """Return a header's value with its folded lines; one byte more than the limit is enough to reject it."""
    end = _line_end(raw, start, MAX_HEADER_BYTES + 1)
    while end - start <= MAX_HEADER_BYTES:
        following = end + (2 if raw[end : end + 2] == b"\r\n" else 1)
        if raw[following : following + 1] not in (b" ", b"\t"):
            break
        end = _line_end(raw, following, MAX_HEADER_BYTES + 1)
    return raw[start:end]


def _line_end(raw: bytes, start: int, limit: int) -> int:
    """Return the position of the next line end, at most `limit` bytes away."""
    part = raw[start : start + limit]
    ends = [position for position in (part.find(b"\r"), part.find(b"\n")) if position >= 0]
    return start + min(ends, default=len(part))


def _require(is_met: bool, reason: str) -> None:
    if not is_met:
        raise MailRejected(reason)
