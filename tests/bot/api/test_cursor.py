from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.core.errors import InvalidInput
from bot.api.request_models import format_cursor, parse_cursor

TIMES = st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis requires naive limits


@given(at=TIMES, item_id=st.text(st.characters(codec="ascii"), max_size=30))
def test_cursor_round_trips(at: datetime, item_id: str) -> None:
    assert parse_cursor(format_cursor(at, item_id)) == (at, item_id)


def test_no_cursor_means_the_beginning() -> None:
    assert parse_cursor(None) is None


def test_cursor_does_not_depend_on_the_time_zone() -> None:
    noon = datetime(2026, 1, 2, 12, tzinfo=UTC)
    assert format_cursor(noon, "x") == format_cursor(noon.astimezone(timezone(timedelta(hours=5))), "x")


@given(text=st.text(max_size=60))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        position = parse_cursor(text)
    except InvalidInput:
        return
    assert position is not None
    assert position[0].tzinfo is UTC


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+23:00", "9999-12-31T23:59:59-23:00", "2026-13-01T00:00:00+00:00"])
def test_cursor_with_an_impossible_date_is_refused(at: str) -> None:
    with pytest.raises(InvalidInput):
        parse_cursor(urlsafe_b64encode(f"{at},x".encode()).decode())
