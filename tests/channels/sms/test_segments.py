"""Length and parts of short messages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.sms.segments import count_segments, fits, is_gsm, split_text, to_gsm

FAMILY = "👨\u200d👩\u200d👧\u200d👦"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a" * 160, 1), ("a" * 161, 2), ("a" * 306, 2), ("a" * 307, 3), ("€" * 80, 1), ("€" * 81, 2),
        ("a" * 152 + "€" + "a" * 152, 3),  # the euro does not fit into the last septet of the first segment
        ("ä" * 160, 1), ("я" * 70, 1), ("я" * 71, 2), ("я" * 134, 2), ("я" * 135, 3), ("😀" * 35, 1), ("😀" * 36, 2),
        ("", 1), ("[" * 80, 1),
    ],
)  # fmt: skip
def test_segments_are_counted_as_the_carrier_does(text: str, expected: int) -> None:
    assert count_segments(text) == expected


def test_typography_becomes_the_alphabet_of_the_phone() -> None:
    assert to_gsm("“Don\u2019t” \u2013 it\u2019s 3\u00a0€…") == "\"Don't\" - it's 3 €..."
    assert to_gsm("привет “мир”") == 'привет "мир"'
    assert is_gsm(to_gsm("e\u0301"))


def test_long_text_is_numbered_and_cut_between_words() -> None:
    parts = split_text("word " * 200, 2, 10)
    assert [part[:6] for part in parts] == [f"({number}/{len(parts)}) " for number in range(1, len(parts) + 1)]
    assert all(part.endswith("word") for part in parts)


def test_emoji_of_several_characters_is_not_cut() -> None:
    for part in split_text(FAMILY * 60, 1, 60):
        assert part.partition(") ")[2].replace(FAMILY, "") == ""


def test_text_of_too_many_parts_is_refused() -> None:
    with pytest.raises(ValueError, match="more than 2 messages"):
        split_text("word " * 400, 2, 2)


texts = st.text(st.sampled_from("abc äé€[]\n.,я中😀👍🏽\u0301\u200d\u2019 "), max_size=900)


@given(texts)
def test_parts_fit_and_have_all_words(text: str) -> None:
    parts = split_text(text, 2, 60)
    assert all(fits(part, 2) for part in parts)
    assert all(part.encode("utf-16-le", "strict") is not None for part in parts)
    numbered = [part.partition(") ")[2] if len(parts) > 1 else part for part in parts]
    assert "".join("".join(numbered).split()) == "".join(text.split())
