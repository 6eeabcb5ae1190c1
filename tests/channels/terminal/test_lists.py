"""Lists of threads and requests, and the short ids in them."""

from datetime import UTC

from hypothesis import given
from hypothesis import strategies as st

from channels.terminal.lists import format_request_line, requests_table, shorten_ids, threads_table
from channels.terminal.views import ApiRequest, ApiThread
from tests.channels.terminal.test_views import QUESTION, THREAD, a_request, drawn

LONG_ID = "thr_1m7yvk6vt6skp1zqph"


def a_thread(**changed):
    return ApiThread.model_validate({**THREAD, "title": "deploy v1.4.0", **changed})


def test_a_thread_is_listed_with_its_title_and_local_time():
    shown = drawn(threads_table([a_thread()], UTC))
    for told in ("thr_1", "waiting_for_human", "deploy v1.4.0", "alice", "2026-03-01 09:00 UTC"):
        assert told in shown


def test_a_request_is_listed_with_what_it_asks_and_who_may_decide():
    request = a_request(explanation={"decided_by": "2 of release (Bob, Carol)"})
    shown = drawn(requests_table([request], UTC))
    for told in (
        "K7Q2M",
        "deploy: push_release_tag environment=production tag=v1.4.0",
        "2 of release (Bob, Carol)",
        "2026-03-01 09:30 UTC",
    ):
        assert told in shown
    assert "2026-03-01 09:30 UTC" not in drawn(requests_table([a_request(status="approved")], UTC))


def test_a_question_is_listed_with_its_words():
    assert format_request_line(ApiRequest.model_validate(QUESTION)) == "Which tag?"


def test_a_long_line_is_cut_and_marked():
    line = format_request_line(a_request(arguments={"note": "x" * 500}))
    assert len(line) < 200
    assert line.endswith("…")


def test_empty_lists_say_so():
    assert drawn(threads_table([])) == "no threads yet\n"
    assert drawn(requests_table([])) == "nothing is asked\n"


def test_ids_are_cut_only_where_it_is_asked_for():
    assert LONG_ID in drawn(threads_table([a_thread(id=LONG_ID)], UTC))
    assert LONG_ID not in drawn(threads_table([a_thread(id=LONG_ID)], UTC, is_short=True))
    assert LONG_ID not in drawn(requests_table([a_request(thread_id=LONG_ID)], UTC, is_short=True))


@given(st.sets(st.text("ab01", min_size=18, max_size=18).map("thr_{}".format)))
def test_a_short_id_is_the_beginning_of_one_thread(ids):
    for one, short in shorten_ids(ids).items():
        assert len(short) >= len("thr_") + 6
        assert [other for other in ids if other.startswith(short)] == [one]
