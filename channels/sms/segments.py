"""Length and parts of short messages: the GSM 7-bit alphabet, segments, and texts that need more than one message.

A message of the GSM alphabet has 160 septets, or 153 in each segment of a longer one; with any other character it is
sent as UCS-2 with 70 UTF-16 units, or 67 in each segment (3GPP TS 23.038 §6.2 and TS 23.040 §9.2.3.24.1).
"""

import re
import unicodedata
from collections.abc import Iterator

_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ ÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""Basic character set of TS 23.038 §6.2.1, without the escape to the extension table."""
_EXTENSION = "^{}\\[~]|€\f"
"""Characters of the extension table §6.2.1.1, which take two septets."""
_SEPTETS = dict.fromkeys(_BASIC, 1) | dict.fromkeys(_EXTENSION, 2)
_SINGLE_SEPTETS, _PART_SEPTETS = 160, 153
_SINGLE_UNITS, _PART_UNITS = 70, 67

_LOOKALIKES = {
    "'": "\u2018\u2019\u201b\u0060\u00b4",
    ",": "\u201a",
    '"': "\u201c\u201d\u201e\u00ab\u00bb",
    "-": "\u2010\u2011\u2012\u2013\u2014\u2212\u2022",
    "...": "\u2026",
    " ": "\u00a0\u2007\u2009\u202f\t",
    "->": "\u2192",
}
_REPLACEMENTS = str.maketrans({one: plain for plain, others in _LOOKALIKES.items() for one in others})
"""Quotation marks, dashes and spaces of typography, and what people read as the same in the GSM alphabet."""

_GRAPHEME = re.compile(
    r"\r\n|(?:[\U0001F1E6-\U0001F1FF]{2})"
    r"|.(?:[\u0300-\u036f\u1ab0-\u1aff\u20d0-\u20ff\ufe00-\ufe0f\U0001F3FB-\U0001F3FF\U000E0020-\U000E007F]|\u200d.)*",
    re.DOTALL,
)
"""One character as a reader sees it: a base with its marks, a flag, or emoji joined by ZERO WIDTH JOINER."""


def is_gsm(text: str) -> bool:
    """Return whether all characters are of the GSM alphabet."""
    return all(character in _SEPTETS for character in text)


def to_gsm(text: str) -> str:
    """Return the text with characters of the GSM alphabet in place of those that look the same.

    Other characters stay: one of them makes the whole message UCS-2, but changing it would change the text.
    """
    text = unicodedata.normalize("NFC", text)
    return text if is_gsm(text) else text.translate(_REPLACEMENTS)


def count_segments(text: str) -> int:
    """Return the number of segments that a message with this text is sent and paid as."""
    sizes, single, capacity = _measure(text)
    if sum(sizes) <= single:
        return 1
    segments, used = 1, 0
    for size in sizes:  # a character of two septets or units is not divided between segments
        if used + size > capacity:
            segments, used = segments + 1, 0
        used += size
    return segments


def fits(text: str, max_segments: int) -> bool:
    """Return whether the text needs at most this number of segments."""
    return count_segments(text) <= max_segments


def _measure(text: str) -> tuple[list[int], int, int]:
    """Return the sizes of the characters, and the capacity of a single message and of a segment in the same unit."""
    if is_gsm(text):
        return [_SEPTETS[character] for character in text], _SINGLE_SEPTETS, _PART_SEPTETS
    return [1 if character <= "\uffff" else 2 for character in text], _SINGLE_UNITS, _PART_UNITS


def split_text(text: str, max_segments: int, max_parts: int) -> list[str]:
    """Return the text as messages of at most `max_segments`, numbered `(1/3) …` if there are several.

    It is cut between words, and a longer word between characters as a reader sees them. Raises ValueError if it needs
    more than `max_parts` messages.
    """
    text = text.strip()
    if fits(text, max_segments):
        return [text]
    for digits in range(1, len(str(max_parts)) + 1):
        prefix = f"({'9' * digits}/{'9' * digits}) "
        parts = list(_cut(text, prefix, max_segments))
        if len(str(len(parts))) <= digits and len(parts) <= max_parts:
            return [f"({number}/{len(parts)}) {part}" for number, part in enumerate(parts, 1)]
    raise ValueError(f"the text needs more than {max_parts} messages")


def _cut(text: str, prefix: str, max_segments: int) -> Iterator[str]:
    """Yield pieces that fit into one message with a prefix of this length."""
    rest = text
    while rest:
        piece = _fitting_start(rest, prefix, max_segments)
        yield piece.rstrip()
        rest = rest[len(piece) :].lstrip()


def _fitting_start(text: str, prefix: str, max_segments: int) -> str:
    """Return the longest beginning that fits, up to the end of a word if it has more than one."""
    if fits(prefix + text, max_segments):
        return text
    characters = _GRAPHEME.findall(text)
    low, high = 1, len(characters) - 1
    while low < high:
        middle = (low + high + 1) // 2
        if fits(prefix + "".join(characters[:middle]).rstrip(), max_segments):
            low = middle
        else:
            high = middle - 1
    start = "".join(characters[:low])
    if text[len(start) : len(start) + 1].isspace():
        return start
    words = re.match(r"(?s)(.*\s)\S+\Z", start)
    return words[1] if words is not None and words[1].strip() else start
