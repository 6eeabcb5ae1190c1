"""Escaping of hidden characters: no character stays hidden, and visible text is unchanged."""

import time
import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.core.visible_text import (
    escape_and_truncate,
    escape_control_characters,
    escape_hidden_characters,
    escape_hidden_except_newlines,
    is_hidden,
)

ZWNJ, ZWJ, VS15, VS16 = "\u200c", "\u200d", "\ufe0e", "\ufe0f"
HIDDEN_CHARACTERS = [
    pytest.param("\x00", id="null"),
    pytest.param("\x1b", id="escape"),
    pytest.param("\n", id="line feed"),
    pytest.param("\r", id="carriage return"),
    pytest.param("\t", id="tab"),
    pytest.param("\x08", id="backspace"),
    pytest.param("\x7f", id="delete"),
    pytest.param("\x9b", id="C1 control"),
    pytest.param("\xad", id="soft hyphen"),
    pytest.param("\u034f", id="combining grapheme joiner"),
    pytest.param("\u115f", id="Hangul choseong filler"),
    pytest.param("\u1160", id="Hangul jungseong filler"),
    pytest.param("\u17b4", id="Khmer inherent vowel"),
    pytest.param("\u180b", id="Mongolian variation selector"),
    pytest.param("\u180f", id="another Mongolian variation selector"),
    pytest.param("\u200b", id="zero width space"),
    pytest.param("\u200c", id="zero width non-joiner"),
    pytest.param("\u200d", id="zero width joiner"),
    pytest.param("\u200e", id="left-to-right mark"),
    pytest.param("\u2028", id="line separator"),
    pytest.param("\u2029", id="paragraph separator"),
    pytest.param("\u202e", id="right-to-left override"),
    pytest.param("\u2065", id="unassigned, ignored by fonts"),
    pytest.param("\u2066", id="left-to-right isolate"),
    pytest.param("\u3164", id="Hangul filler"),
    pytest.param("\ufe0e", id="variation selector for text"),
    pytest.param("\ufe0f", id="variation selector for emoji"),
    pytest.param("\ufeff", id="byte order mark"),
    pytest.param("\uffa0", id="halfwidth Hangul filler"),
    pytest.param("\ufffe", id="no character"),
    pytest.param("\ud800", id="half a surrogate pair"),
    pytest.param("\ue000", id="private use"),
    pytest.param("\U000e0041", id="tag letter"),
    pytest.param("\U000e0100", id="variation selector of a second kind"),
    pytest.param("\U000e01ef", id="the last variation selector"),
    pytest.param("\U0010ffff", id="last code point"),
]

TEXTS_WITH_VISIBLE_JOINERS = [
    pytest.param("\u26a0\ufe0f", id="warning sign as an emoji"),
    pytest.param("\u2764\ufe0f \u2714\ufe0f \u2139\ufe0f", id="several signs as emoji"),
    pytest.param("1\ufe0f\u20e3 #\ufe0f\u20e3", id="keycaps"),
    pytest.param("\U0001f469\u200d\U0001f4bb", id="woman technologist"),
    pytest.param("\U0001f469\U0001f3fd\u200d\U0001f680", id="woman astronaut with a skin tone"),
    pytest.param("\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466", id="family"),
    pytest.param("\U0001f3f3\ufe0f\u200d\U0001f308", id="rainbow flag"),
    pytest.param("\u2764\ufe0f\u200d\U0001f525", id="heart on fire"),
    pytest.param("\U0001f3c3\U0001f3fb\u200d\u2640\ufe0f\u200d\u27a1\ufe0f", id="woman running to the right"),
    pytest.param("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", id="Persian: I want"),
    pytest.param("\u06a9\u062a\u0627\u0628\u200c\u0647\u0627", id="Persian: books"),
    pytest.param("\u0915\u094d\u200d\u0937", id="Devanagari half form"),
    pytest.param("\u0915\u094d\u200c\u0937", id="Devanagari explicit virama"),
    pytest.param("\u0d28\u0d4d\u200d", id="Malayalam chillu"),
    pytest.param("\u0dc1\u0dca\u200d\u0dbb\u0dd3", id="Sinhala: Sri"),
    pytest.param("\u09b0\u200d\u09cd\u09af\u09be\u09ac", id="Bengali: RAB"),
]

TEXTS_WITH_HIDDEN_JOINERS = [
    pytest.param("pass\u200dword", id="joiner between letters of ASCII"),
    pytest.param("pass\u200cword", id="non-joiner between letters of ASCII"),
    pytest.param("\u200dprod", id="joiner at the beginning"),
    pytest.param("prod\u200c", id="non-joiner at the end"),
    pytest.param("\U0001f469\u200d\u200d\U0001f4bb", id="two joiners"),
    pytest.param("\U0001f34e\u200d\U0001f34f", id="joiner between emoji that do not join"),
    pytest.param("\U0001f469\u200d", id="joiner behind an emoji that stands alone"),
    pytest.param("\u06a9\u0627\u0631\u200c\u0647\u0627", id="non-joiner behind a letter that never joins"),
    pytest.param("\u0645\u06cc\u200c\u200c\u062e", id="two non-joiners"),
    pytest.param("\u0645\u06cc\u200cx", id="non-joiner before another script"),
    pytest.param("\u0915\u094d\u200c", id="non-joiner behind a last virama"),
    pytest.param("\u26a0\ufe0f\ufe0f", id="two variation selectors"),
    pytest.param("a\ufe0f", id="variation selector behind a letter"),
    pytest.param("1\ufe0f", id="variation selector behind a digit that is no keycap"),
    pytest.param("\U0001f600\ufe0f", id="variation selector behind a character that is an emoji already"),
    pytest.param("\u26a0\ufe0e", id="variation selector for text behind a character that is text already"),
    pytest.param("\u3402\U000e0100", id="ideographic variation selector"),
    pytest.param("\U0001f3f4\U000e0067\U000e0062\U000e007f", id="tags behind a flag"),
]

joining_characters = [
    ZWNJ,
    ZWJ,
    VS15,
    VS16,
    "\u20e3",
    "\u0645",
    "\u06cc",
    "\u0627",
    "\u0915",
    "\u094d",
    "\u09b0",
    "\u09cd",
    "\u09af",
]
emoji = ["\u26a0", "\U0001f469", "\U0001f4bb", "\U0001f3fd", "\u2764", "\U0001f525", "\u2640", "\U0001f3c3", "\u27a1"]
others = ["1", "a", " ", "\\", "\n", "\x1b", "\u202e", "\u200b", "\U000e0041"]
mixed = st.lists(st.sampled_from([*joining_characters, *emoji, *others]), max_size=12).map("".join)
texts = st.text() | mixed


@pytest.mark.parametrize("character", HIDDEN_CHARACTERS)
def test_hidden_character_is_escaped(character: str) -> None:
    written = escape_hidden_characters(f"a{character}b")
    assert written.startswith("a\\")
    assert written.isprintable()
    assert written.isascii()


@pytest.mark.parametrize(
    "text", ["deploy v1.2", "Grüße, 世界!", "naïve \u2013 “quoted”", "100 €", "🚀", "\ufe10", "<b>&amp;</b>", ""]
)
def test_visible_text_is_unchanged(text: str) -> None:
    assert escape_hidden_characters(text) == text


@pytest.mark.parametrize("text", TEXTS_WITH_VISIBLE_JOINERS)
def test_joiners_that_change_the_display_are_kept(text: str) -> None:
    assert escape_hidden_characters(text) == text
    assert escape_hidden_characters(f"a {text} b") == f"a {text} b"


@pytest.mark.parametrize("text", TEXTS_WITH_HIDDEN_JOINERS)
def test_hidden_joiners_and_selectors_are_escaped(text: str) -> None:
    assert "\\" in escape_hidden_characters(text)


@pytest.mark.parametrize("text", TEXTS_WITH_VISIBLE_JOINERS)
def test_text_without_its_kept_joiners_looks_different(text: str) -> None:
    """Removing any kept joiner gives a text that is displayed differently."""
    for at, character in enumerate(text):
        if is_hidden(character):
            assert escape_hidden_characters(text[:at] + text[at + 1 :]) != escape_hidden_characters(text)


@given(texts)
def test_only_joiners_and_emoji_selectors_stay_hidden(text: str) -> None:
    assert {c for c in escape_hidden_characters(text) if is_hidden(c)} <= {ZWNJ, ZWJ, VS16}


@given(texts)
def test_hidden_characters_are_not_adjacent(text: str) -> None:
    shown = escape_hidden_characters(text)
    pairs = {(one, other) for one, other in pairwise(shown) if is_hidden(one) and is_hidden(other)}
    assert pairs <= {(VS16, ZWJ)}
    assert not shown.startswith((ZWNJ, ZWJ, VS16))


@given(texts)
def test_escaping_twice_equals_escaping_once(text: str) -> None:
    assert escape_hidden_characters(escape_hidden_characters(text)) == escape_hidden_characters(text)


@given(texts.filter(lambda text: "\\" not in text), st.data())
def test_inserted_hidden_character_is_visible(text: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(text)))
    hidden = data.draw(st.sampled_from([ZWNJ, ZWJ, VS15, VS16, "\u200b", "\u202e", "\U000e0041"]))
    assert escape_hidden_characters(text[:at] + hidden + text[at:]) != escape_hidden_characters(text)


@given(texts, texts)
def test_each_line_is_escaped_independently(one: str, other: str) -> None:
    assert escape_hidden_characters(f"{one}\n{other}") == escape_hidden_characters(
        one
    ) + "\\n" + escape_hidden_characters(other)


@given(texts)
def test_multi_line_text_keeps_only_line_breaks(text: str) -> None:
    shown = escape_hidden_except_newlines(text)
    assert shown.count("\n") == text.count("\n")
    assert not {unicodedata.category(c) for c in shown if c != "\n"} & {"Cc", "Cn", "Co", "Cs", "Zl", "Zp"}


@given(texts, st.integers(1, 30))
def test_truncated_text_has_no_hidden_character_at_its_end(text: str, max_length: int) -> None:
    shown = escape_and_truncate(text, max_length)
    whole = escape_hidden_characters(text)
    assert shown == whole or shown.endswith(f"… ({len(whole)} characters in all)")
    assert not is_hidden(shown.partition("…")[0][-1:] or "a") or shown == whole or "…" in text or shown[0] == "…"


@given(st.text())
def test_only_control_characters_are_escaped(text: str) -> None:
    shown = escape_control_characters(text)
    assert not {c for c in shown if unicodedata.category(c) == "Cc"} - {"\n"}
    assert escape_control_characters(shown) == shown


@pytest.mark.parametrize(
    "piece", ["\U0001f468", "\U0001f468\u200d", "\u0628", "\u0915\u094d", ZWJ, f"x{ZWNJ}", "\u26a0\ufe0f\ufe0f"]
)
def test_escaping_takes_linear_time(piece: str) -> None:
    started = time.process_time()
    escape_hidden_characters(piece * 100_000)
    assert time.process_time() - started < 5
