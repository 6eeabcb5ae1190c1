"""Tests of durations in the configuration file."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.config.file.references import parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("5m", 300), ("2h", 7200), ("7d", 604_800), ("366d", 366 * 86_400)]
)
def test_parses_number_and_unit_to_seconds(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["5", "-1m", "1.5h", "0s", "m", "5 m", "5M", "05m", "1h30m", "\u0665m", "", "367d", "5m\n"]
)
def test_refuses_other_formats_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        parse_duration(text)


@given(st.text(max_size=20))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    with suppress(ValueError):
        assert 0 < parse_duration(text) <= 366 * 86_400
