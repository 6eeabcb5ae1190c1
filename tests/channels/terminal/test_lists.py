"""Tables of threads and requests, and the short ids in them."""

from datetime import UTC

from hypothesis import given
from hypothesis import strategies as st

from channels.terminal.page import format_request_line, requests_table, shorten_ids, threads_table
from channels.terminal.views import ApiRequest, ApiThread
from tests.channels.terminal.test_views import QUESTION, THREAD, make_request, render

LONG_ID = "thr_1m7yvk6vt6skp1zqph"


def make_thread(**fields):
    return ApiThread.model_validate({**THREAD, "title": "deploy v1.4.0", **fields})


def test_thread_row_has_its_title_and_local_time():
    output = render(threads_table([make_thread()], UTC))
    for text in ("thr_1", "waiting_for_human", "deploy v1.4.0", "alice", "2026-03-01 09:00 UTC"):
        assert text in output


def test_request_row_has_its_call_and_its_deciders():
    request = make_request(explanation={"decided_by": "2 of release (Bob, Carol)"})
    output = render(requests_table([request], UTC))
    for text in (
        "K7Q2M",
        "deploy: push_release_tag environment=production tag=v1.4.0",
        "2 of release (Bob, Carol)",
        "2026-03-01 09:30 UTC",
    ):
        assert text in output
    assert "2026-03-01 09:30 UTC" not in render(requests_table([make_request(status="approved")], UTC))


def test_question_row_has_the_question():
    assert format_request_line(ApiRequest.model_validate(QUESTION)) == "Which tag?"


def test_long_line_is_truncated_with_an_ellipsis():
    line = format_request_line(make_request(arguments={"note": "x" * 500}))
    assert len(line) < 200
    assert line.endswith("…")


def test_empty_lists_have_a_message():
    assert render(threads_table([])) == "no threads yet\n"
    assert render(requests_table([])) == "no requests\n"


def test_ids_are_shortened_only_on_request():
    assert LONG_ID in render(threads_table([make_thread(id=LONG_ID)], UTC))
    assert LONG_ID not in render(threads_table([make_thread(id=LONG_ID)], UTC, is_short=True))
    assert LONG_ID not in render(requests_table([make_request(thread_id=LONG_ID)], UTC, is_short=True))


@given(st.sets(st.text("ab01", min_size=18, max_size=18).map("thr_{}".format)))
def test_short_id_is_a_prefix_of_one_thread(ids):
    for whole, short in shorten_ids(ids).items():
        assert len(short) >= len("thr_") + 6
        assert [other for other in ids if other.startswith(short)] == [whole]
