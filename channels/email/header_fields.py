"""Header fields of a raw mail, found without a mail parser: parsers repair what a check of the sender must see."""

import re

_LINE_END = re.compile(rb"\r?\n")
_FIELD_NAME = re.compile(rb"([!-9;-~]+)[ \t]*:")


def find_header_values(raw: bytes, name: str) -> tuple[str, ...]:
    """Return the values of all fields with this name above the first empty line, unfolded (RFC 5322 §2.2.3).

    The name may have another case, and spaces before its colon. Octets that are not UTF-8 become surrogates.
    """
    values: list[list[bytes]] = []
    is_wanted = False
    for line in _LINE_END.split(raw[: _find_header_end(raw)]):
        if line[:1] in (b" ", b"\t"):
            if is_wanted:
                values[-1].append(line)
            continue
        field = _FIELD_NAME.match(line)
        is_wanted = field is not None and field[1].lower() == name.lower().encode()
        if field is not None and is_wanted:
            values.append([line[field.end() :]])
    return tuple(b"".join(lines).decode("utf-8", "surrogateescape").strip() for lines in values)


def _find_header_end(raw: bytes) -> int:
    if raw.startswith((b"\n", b"\r\n")):
        return 0
    ends = [position for end in (b"\n\r\n", b"\n\n") if (position := raw.find(end)) >= 0]
    return min(ends, default=len(raw))
