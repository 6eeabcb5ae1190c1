"""Header fields of a raw mail, found without a mail parser: parsers repair what a check of the sender must see."""

import re

_FIELD_NAME = re.compile(r"([!-9;-~]+)[ \t]*:", re.ASCII)


def find_header_values(raw: bytes, name: str) -> tuple[str, ...]:
    """Return the values of all fields with this name above the first empty line, unfolded (RFC 5322 §2.2.3).

    The name may have another case, and spaces before its colon. Octets that are not UTF-8 become surrogates.
    """
    values: list[list[str]] = []
    is_wanted = False
    block = raw[: _find_header_end(raw)].decode("utf-8", "surrogateescape")
    for line in block.replace("\r\n", "\n").split("\n"):
        if line.startswith((" ", "\t")):
            if is_wanted:
                values[-1].append(line)
            continue
        field = _FIELD_NAME.match(line)
        is_wanted = field is not None and field[1].lower() == name.lower()
        if field is not None and is_wanted:
            values.append([line[field.end() :]])
    return tuple("".join(lines).strip(" \t") for lines in values)


def _find_header_end(raw: bytes) -> int:
    if raw.startswith((b"\n", b"\r\n")):
        return 0
    ends = [position + 1 for end in (b"\n\r\n", b"\n\n") if (position := raw.find(end)) >= 0]
    return min(ends, default=len(raw))
