from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.errors import InvalidInput
from bot.web.cursor import format_cursor, parse_cursor

TIMES = st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis wants them bare


@given(at=TIMES, identity=st.text(st.characters(codec="ascii"), max_size=30))
def test_a_cursor_leads_back_to_where_it_was_made(at: datetime, identity: str) -> None:
    assert parse_cursor(format_cursor(at, identity)) == (at, identity)


def test_without_a_cursor_a_list_begins_at_its_beginning() -> None:
    assert parse_cursor(None) is None


def test_the_same_instant_has_the_same_cursor_wherever_it_is_told() -> None:
    noon = datetime(2026, 1, 2, 12, tzinfo=UTC)
    assert format_cursor(noon, "x") == format_cursor(noon.astimezone(timezone(timedelta(hours=5))), "x")


@given(text=st.text(max_size=60))
def test_what_is_no_cursor_is_refused_or_leads_somewhere_and_never_breaks(text: str) -> None:
    try:
        found = parse_cursor(text)
    except InvalidInput:
        return
    assert found is not None
    assert found[0].tzinfo is UTC


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+23:00", "9999-12-31T23:59:59-23:00", "2026-13-01T00:00:00+00:00"])
def test_a_cursor_beyond_the_calendar_is_refused(at: str) -> None:
    with pytest.raises(InvalidInput):
        parse_cursor(urlsafe_b64encode(f"{at},x".encode()).decode())
