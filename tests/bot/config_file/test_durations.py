"""Durations as people write them."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.config_file.durations import parse_duration


@pytest.mark.parametrize(
    ("text", "meant"), [("90s", 90), ("5m", 300), ("2h", 7200), ("7d", 604_800), ("366d", 366 * 86_400)]
)
def test_a_number_and_its_unit_are_seconds(text: str, meant: int) -> None:
    assert parse_duration(text) == meant


@pytest.mark.parametrize(
    "text", ["5", "-1m", "1.5h", "0s", "m", "5 m", "5M", "05m", "1h30m", "\u0665m", "", "367d", "5m\n"]
)
def test_anything_else_is_refused_with_what_to_write_instead(text: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        parse_duration(text)


@given(st.text(max_size=20))
def test_any_text_is_either_seconds_or_refused(text: str) -> None:
    with suppress(ValueError):
        assert 0 < parse_duration(text) <= 366 * 86_400
