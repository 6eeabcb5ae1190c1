"""What a terminal shows of the API's objects."""

from datetime import UTC, datetime
from io import StringIO
from zoneinfo import ZoneInfo

import pytest
from rich.console import Console

from channels.terminal.lists import requests_table, threads_table
from channels.terminal.parser import HELP
from channels.terminal.views import (
    ApiRequest,
    ApiThread,
    answer_view,
    card_view,
    closed_view,
    edited_view,
    error_view,
    format_event,
    help_table,
    message_view,
    request_view,
)

APPROVAL = {
    "id": "req_1",
    "code": "K7Q2M",
    "kind": "approval",
    "thread_id": "thr_1",
    "agent": "deploy",
    "requester": "person:alice",
    "tool": "push_release_tag",
    "arguments": {"environment": "production", "tag": "v1.4.0"},
    "digest": "d1",
    "status": "open",
    "expires_at": "2026-03-01T09:30:00Z",
    "answers": [],
    "a field of tomorrow": True,
}
QUESTION = {
    **APPROVAL,
    "kind": "question",
    "tool": None,
    "arguments": None,
    "question": "Which tag?",
    "choices": ["v1.4.0", "v1.3.0"],
}
YES = {
    "by": "person:bob",
    "channel": "terminal:bob",
    "assurance": "medium",
    "decision": "approve",
    "comment": "looks good",
    "at": "2026-03-01T09:10:00Z",
    "counted": True,
}
THREAD = {
    "id": "thr_1",
    "agent": "deploy",
    "status": "waiting_for_human",
    "version": 7,
    "requester": "person:alice",
    "updated_at": "2026-03-01T09:00:00Z",
}
ESCAPES = "\x1b[2J\x1b]0;owned\x07\x9b31m\u202e[bold]:boom:"


def drawn(renderable, *, terminal: bool = False) -> str:
    into = StringIO()
    screen = Console(file=into, width=200, force_terminal=terminal, markup=False, emoji=False, highlight=False)
    screen.print(renderable)
    return into.getvalue()


def a_request(**changed):
    return ApiRequest.model_validate({**APPROVAL, **changed})


def test_a_card_says_what_is_asked_by_whom_how_long_and_how_to_answer():
    shown = drawn(card_view(a_request(), UTC))
    for told in (
        "deploy wants to run push_release_tag",
        "environment  production",
        "tag          v1.4.0",
        "asked for by alice",
        "open until 2026-03-01 09:30 UTC",
        "in thread thr_1",
        "/approve K7Q2M",
        "/deny K7Q2M why",
    ):
        assert told in shown


def test_times_are_told_in_the_zone_of_the_person():
    assert "2026-03-01 10:30 CET" in drawn(card_view(a_request(), ZoneInfo("Europe/Berlin")))


def test_a_question_shows_its_choices():
    shown = drawn(card_view(ApiRequest.model_validate(QUESTION), UTC))
    assert "deploy asks" in shown
    assert "Which tag?" in shown
    assert "/answer K7Q2M v1.4.0|v1.3.0" in shown


def test_a_request_that_never_expires_has_no_end():
    assert "open until" not in drawn(card_view(a_request(expires_at=None), UTC))


def test_an_ending_says_who_when_and_from_where():
    told = str(closed_view(a_request(status="approved", answers=[YES]), UTC))
    assert told == "K7Q2M approved by bob (terminal) at 2026-03-01 09:10 UTC: looks good"


def test_an_ending_names_everybody_who_approved_and_who_entered_it():
    carols = {**YES, "by": "person:carol", "entered_by": "person:dana"}
    told = str(closed_view(a_request(status="approved", answers=[carols, YES]), UTC))
    assert told.startswith("K7Q2M approved by carol (entered by dana), then bob (terminal) at ")
    edit = {**carols, "decision": "edit", "is_proposal": True}
    told = str(closed_view(a_request(status="approved", answers=[edit, YES]), UTC))
    assert told.startswith("K7Q2M edited by carol (entered by dana), approved by bob (terminal) at ")


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ("expired", "nobody answered in time"),
        ("superseded", "taken back, or replaced by a new instruction"),
        ("cancelled", "cancelled with its thread"),
    ],
)
def test_an_ending_without_a_person_is_told_as_such(status, told):
    assert str(closed_view(a_request(status=status, answers=[YES]), UTC)) == f"K7Q2M {told}"


def test_an_answer_that_does_not_count_is_told_with_its_reason():
    request = a_request(answers=[{**YES, "counted": False, "reason": "this needs a second person"}])
    told = str(answer_view(request, request.answers[0], UTC))
    assert told.endswith("it does not count: this needs a second person")


def test_one_answer_of_several_leaves_the_request_open():
    request = a_request(answers=[YES])
    assert str(answer_view(request, request.answers[0], UTC)).endswith("still open")


def test_a_settled_request_is_shown_with_what_was_asked():
    shown = drawn(request_view(a_request(status="denied", answers=[{**YES, "decision": "deny"}]), UTC))
    assert "v1.4.0" in shown
    assert "K7Q2M denied by bob" in shown
    assert "/approve" not in shown


EXPLAINED = {
    "deciders": [{"role": "release", "people": ["person:bob", "person:carol"], "more": 0}],
    "explanation": {
        "why": "It is tested.",
        "asked_by": "Alice Ng",
        "decided_by": "release (Bob Ito, Carol Diaz)",
        "progress": "1 of 2 so far: Bob Ito",
        "afterwards": "without an answer by then nothing is done",
    },
}


def test_a_card_says_why_who_decides_and_what_happens_otherwise():
    shown = drawn(card_view(a_request(**EXPLAINED), UTC))
    for told in (
        "why, in the agent's words: It is tested.",
        "asked for by Alice Ng",
        "decided by release (Bob Ito, Carol Diaz); 1 of 2 so far: Bob Ito",
        "open until 2026-03-01 09:30 UTC; without an answer by then nothing is done",
    ):
        assert told in shown


@pytest.mark.parametrize(("reader", "may"), [("bob", True), ("alice", False), ("dave", False), (None, True)])
def test_approving_is_offered_to_those_who_may(reader, may):
    assert ("/approve K7Q2M" in drawn(card_view(a_request(**EXPLAINED), UTC, reader))) is may


@pytest.mark.parametrize("group", [{"role": "*"}, {"role": "crew", "more": 3}])
def test_approving_is_offered_where_not_everyone_is_listed(group):
    assert "/approve" in drawn(card_view(a_request(deciders=[group]), UTC, "dave"))


@pytest.mark.parametrize("length", [2_400, 20_000])
def test_a_request_shows_all_of_a_long_value_and_of_a_long_question(length):
    long = a_request(arguments={"note": "x" * length})
    over = a_request(arguments={"note": "x" * length}, status="denied")
    for shown in (card_view(long, UTC), request_view(long, UTC), request_view(over, UTC)):
        assert drawn(shown).count("x") >= length
    asked = ApiRequest.model_validate({**QUESTION, "question": "y" * length})
    assert drawn(card_view(asked, UTC)).count("y") >= length


def test_an_answer_of_several_says_how_many_have_approved():
    request = a_request(answers=[YES], **EXPLAINED)
    assert str(answer_view(request, request.answers[0], UTC)).endswith("still open, 1 of 2 so far: Bob Ito")


def test_emoji_and_joiners_of_a_language_are_shown_as_they_are():
    written = "\u26a0\ufe0f \U0001f469\u200d\U0001f4bb \u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"
    assert written in drawn(message_view("deploy", written))


@pytest.mark.parametrize(
    "renderable",
    [
        message_view(ESCAPES, ESCAPES),
        error_view(ESCAPES),
        card_view(
            a_request(agent=ESCAPES, tool=ESCAPES, arguments={ESCAPES: ESCAPES}, requester=f"person:{ESCAPES}"), UTC
        ),
        card_view(ApiRequest.model_validate({**QUESTION, "question": ESCAPES, "choices": [ESCAPES]}), UTC),
        closed_view(
            a_request(status="approved", answers=[{**YES, "comment": ESCAPES, "by": f"person:{ESCAPES}"}]), UTC
        ),
        threads_table([ApiThread.model_validate({**THREAD, "title": ESCAPES, "agent": ESCAPES, "status": ESCAPES})]),
        requests_table([a_request(thread_id=ESCAPES)]),
    ],
)
def test_nothing_others_write_reaches_the_terminal_as_an_order(renderable):
    shown = drawn(renderable)
    for order in ("\x1b", "\x07", "\x9b", "\u202e"):
        assert order not in shown
    assert "[bold]:boom:" in shown


def test_colours_are_for_terminals():
    assert "\x1b[" in drawn(error_view("no"), terminal=True)
    assert "\x1b[" not in drawn(error_view("no"))


@pytest.mark.parametrize(
    ("kind", "data", "gist"),
    [
        ("MessageReceived", {"text": "hello", "source": "terminal:you"}, "hello"),
        ("MessageEdited", {"ref": "C1:1.5", "text": "bye", "source": "slack:C1"}, "bye"),
        ("MessageDeleted", {"ref": "C1:1.5", "source": "slack:C1"}, "C1:1.5"),
        ("StepChosen", {"step": {"intent": "call_tool", "tool": "list_tags"}}, "call_tool list_tags"),
        ("RequestOpened", {"request": {"code": "K7Q2M", "tool": "roll_back"}}, "K7Q2M roll_back"),
        ("RequestOpened", {"request": {"code": "K7Q2M", "question": "Which?"}}, "K7Q2M Which?"),
        ("RequestAnswered", {"answer": {"decision": "deny", "comment": "no"}, "status": "denied"}, "deny no"),
        ("ToolFailed", {"call_id": "c", "error": "git is away"}, "git is away"),
        ("Unheard", {"a": 1}, ""),
    ],
)
def test_every_event_has_a_gist(kind, data, gist):
    assert format_event(kind, data) == gist


def test_what_was_reworded_is_shown_as_such():
    assert drawn(edited_view("alice", "not v1\x1b[2J")) == "alice (edited): not v1\\x1b[2J\n"
    assert drawn(edited_view("al\x1bice", None)) == "al\\x1bice took a message back\n"


def test_help_lists_every_order():
    shown = drawn(help_table())
    assert all(way in shown for way, _ in HELP)


def test_local_time_needs_no_zone():
    at = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
    assert f"{at.astimezone():%Y-%m-%d %H:%M}" in drawn(card_view(a_request()))
