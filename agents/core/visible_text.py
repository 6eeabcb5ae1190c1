"""Escape characters in untrusted text that are invisible, reorder text or move the cursor.

A joiner or a variation selector is kept only where it changes the displayed glyphs. Elsewhere it is escaped, because
different texts could look equal. The rules, each on immediate neighbors only:

U+200C, U+200D  between letters that a joiner changes: RFC 5892 A.1 and A.2, narrowed to a letter on each side where
                the effect depends on it. The presentation forms of Arabic letters show which of them join.
U+200D          in the emoji sequences of Unicode's `emoji-zwj-sequences.txt` (16.0), fully qualified (UTS #51).
U+FE0F          behind characters that are text by default and have an emoji form (`emoji-variation-sequences.txt`),
                and in keycaps. All other variation selectors are escaped.
"""

import re
import unicodedata
from functools import cache

_HIDDEN_CATEGORIES = ("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp")
_INVISIBLE_CODE_POINTS = frozenset(
    {0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180B, 0x180C, 0x180D, 0x180F, 0x3164, 0xFFA0}
    | {*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)}
)
"""Invisible letters and marks: Unicode's Default_Ignorable_Code_Point, without those in _HIDDEN_CATEGORIES."""

_TEXT_STYLE_EMOJI = (
    "A9 AE 203C 2049 2122 2139 2194-2199 21A9-21AA 2328 23CF 23ED-23EF 23F1-23F2 23F8-23FA 24C2 25AA-25AB 25B6 25C0 "
    "25FB-25FC 2600-2604 260E 2611 2618 261D 2620 2622-2623 2626 262A 262E-262F 2638-263A 2640 2642 265F-2660 2663 "
    "2665-2666 2668 267B 267E 2692 2694-2697 2699 269B-269C 26A0 26A7 26B0-26B1 26C8 26CF 26D1 26D3 26E9 26F0-26F1 "
    "26F4 26F7-26F9 2702 2708-2709 270C-270D 270F 2712 2714 2716 271D 2721 2733-2734 2744 2747 2763-2764 27A1 "
    "2934-2935 2B05-2B07 3030 303D 3297 3299 1F170-1F171 1F17E-1F17F 1F202 1F237 1F321 1F324-1F32C 1F336 1F37D "
    "1F396-1F397 1F399-1F39B 1F39E-1F39F 1F3CB-1F3CE 1F3D4-1F3DF 1F3F3 1F3F5 1F3F7 1F43F 1F441 1F4FD 1F549-1F54A "
    "1F56F-1F570 1F573-1F579 1F587 1F58A-1F58D 1F590 1F5A5 1F5A8 1F5B1-1F5B2 1F5BC 1F5C2-1F5C4 1F5D1-1F5D3 "
    "1F5DC-1F5DE 1F5E1 1F5E3 1F5E8 1F5EF 1F5F3 1F5FA 1F6CB 1F6CD-1F6CF 1F6E0-1F6E5 1F6E9 1F6F0 1F6F3"
)
"""Emoji=Yes and Emoji_Presentation=No, without digits, `#` and `*` (emoji-data.txt)."""

MAX_CACHED_CHARACTERS = 4096
_VISIBLE_SEQUENCES = (
    # family and couples
    "[👨👩](?:\u200d[👨👩])?(?:\u200d[👦👧]){1,2}",
    "🧑(?:\u200d🧑)?(?:\u200d🧒){1,2}",
    "PERSON\u200d❤\ufe0f\u200d(?:💋\u200d)?PERSON",
    "PERSON\u200d🤝\u200dPERSON",
    "🫱TONE\u200d🫲TONE",
    # roles, hair, people in motion
    "PERSON\u200d(?:[⚕⚖✈]\ufe0f|[🌾🍳🍼🎄🎓🎤🎨🏫🏭💻💼🔧🔬🚀🚒🦰🦱🦲🦳])",
    "PERSON\u200d[🦯🦼🦽](?:\u200d➡\ufe0f)?",
    # gender and direction of activities
    "[🏃🚶🧎]TONE\u200d(?:[♀♂]\ufe0f(?:\u200d➡\ufe0f)?|➡\ufe0f)",
    "[🏄🏊👮👯👰👱👳👷💁💂💆💇🙅🙆🙇🙋🙍🙎🚣🚴🚵🤦🤵🤷🤸🤹🤼🤽🤾🦸🦹🧍🧏🧔🧖🧗🧘🧙🧚🧛🧜🧝🧞🧟]TONE\u200d[♀♂]\ufe0f",
    "[⛹🏋🏌🕵](?:\ufe0f|[🏻🏼🏽🏾🏿])\u200d[♀♂]\ufe0f",
    # others
    "🏳\ufe0f\u200d(?:🌈|⚧\ufe0f)|🏴\u200d☠\ufe0f|🐕\u200d🦺|[🐈🐦]\u200d⬛|🐦\u200d🔥|🐻\u200d❄\ufe0f|👁\ufe0f\u200d🗨\ufe0f|😮\u200d💨|😵\u200d💫|😶\u200d🌫\ufe0f",
    "❤\ufe0f\u200d[🔥🩹]|🍋\u200d🟩|🍄\u200d🟫|⛓\ufe0f\u200d💥|🙂\u200d[↔↕]\ufe0f",
)


def escape_hidden_characters(text: str) -> str:
    """Return the text with all characters escaped that are invisible, reorder text or move the cursor."""
    if text.isascii() and text.isprintable():
        return text
    pieces, end = [], 0
    for kept in _compile_visible_sequences().finditer(text):
        pieces += [_escape_text(text[end : kept.start()]), kept[0]]
        end = kept.end()
    return "".join([*pieces, _escape_text(text[end:])])


def escape_hidden_except_newlines(text: str) -> str:
    """Return the text with hidden characters escaped, except for its line breaks."""
    return "\n".join(escape_hidden_characters(line.removesuffix("\r")) for line in text.expandtabs(4).split("\n"))


def escape_and_truncate(text: str, max_length: int) -> str:
    """Return the escaped text, truncated to `max_length` characters with its full length appended if it is longer."""
    escaped = escape_hidden_characters(text)
    if len(escaped) <= max_length:
        return escaped
    return f"{escape_hidden_characters(escaped[:max_length])}… ({len(escaped)} characters in all)"


def truncate(text: str, max_length: int) -> str:
    """Return the text, or its beginning followed by an ellipsis; at most `max_length` characters."""
    return text if len(text) <= max_length else f"{text[: max_length - 1]}…"


def escape_control_characters(text: str) -> str:
    """Return the text with control characters escaped, except for line feeds."""
    return "".join(_escape_character(c) if c != "\n" and unicodedata.category(c) == "Cc" else c for c in text)


def is_hidden(character: str) -> bool:
    """Return whether the character is invisible or controls the display of others."""
    return unicodedata.category(character) in _HIDDEN_CATEGORIES or ord(character) in _INVISIBLE_CODE_POINTS


class _EscapeTable(dict[int, str]):
    """Table for `str.translate` that computes the escaped form of each character at its first use."""

    def __missing__(self, code: int) -> str:
        if len(self) >= MAX_CACHED_CHARACTERS:
            self.clear()
        character = chr(code)
        self[code] = _escape_character(character) if is_hidden(character) else character
        return self[code]


_ESCAPES = _EscapeTable()


def _escape_text(text: str) -> str:
    return text.translate(_ESCAPES)


def _escape_character(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


@cache
def _compile_visible_sequences() -> re.Pattern[str]:
    """Return the pattern of sequences in which a joiner or a variation selector changes the displayed glyphs.

    No part of it repeats without bound, so matching takes linear time.
    """
    person = "[👨👩🧑]TONE"
    emoji = "|".join(_VISIBLE_SEQUENCES).replace("PERSON", person).replace("TONE", "[🏻🏼🏽🏾🏿]?")
    first, last = _arabic_letters("<initial>", "<medial>"), _arabic_letters("<final>", "<medial>")
    letters, viramas = _indic_letters()
    return re.compile(
        f"{emoji}"
        f"|[{_character_class(_TEXT_STYLE_EMOJI)}]\ufe0f"
        "|[0-9#*]\ufe0f\u20e3"
        f"|[{first}]\u200c(?=[{last}])"
        f"|[{letters}][\u093c\u09bc\u0a3c\u0abc\u0b3c\u0cbc]?[{viramas}](?:\u200d(?![{viramas}])|\u200c(?=[{letters}]))"
        "|\u09b0\u200d(?=\u09cd\u09af)"  # Bengali: ra that keeps its shape before ya (The Unicode Standard, 12.2)
    )


def _character_class(ranges: str) -> str:
    """Convert ranges of hexadecimal code points to the content of a character class."""
    return "".join("-".join(chr(int(end, 16)) for end in part.split("-")) for part in ranges.split())


def _arabic_letters(*forms: str) -> str:
    """Return the letters that have one of these presentation forms."""
    decomposed = (unicodedata.decomposition(chr(code)).split() for code in range(0xFB50, 0xFEFD))
    return "".join({chr(int(parts[1], 16)) for parts in decomposed if len(parts) == 2 and parts[0] in forms})  # noqa: PLR2004 - the form and one letter


def _indic_letters() -> tuple[str, str]:
    """Return the letters and the viramas (canonical combining class 9) of the scripts of India and Sri Lanka."""
    block = [chr(code) for code in range(0x0900, 0x0E00)]
    letters = "".join(c for c in block if unicodedata.category(c) == "Lo")
    return letters, "".join(c for c in block if unicodedata.combining(c) == 9)  # noqa: PLR2004 - as above
