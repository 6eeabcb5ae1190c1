"""Terminal views of the API's objects."""

from datetime import UTC, datetime
from io import StringIO
from zoneinfo import ZoneInfo

import pytest
from rich.console import Console

from channels.terminal.page import requests_table, threads_table
from channels.terminal.parser import HELP
from channels.terminal.views import (
    ApiRequest,
    ApiThread,
    answer_view,
    card_view,
    closed_view,
    error_view,
    format_event,
    help_table,
    message_change_view,
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
    "a field of a newer server": True,
}
QUESTION = {
    **APPROVAL,
    "kind": "question",
    "tool": None,
    "arguments": None,
    "question": "Which tag?",
    "choices": ["v1.4.0", "v1.3.0"],
}
APPROVING_ANSWER = {
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


def render(renderable, *, terminal: bool = False) -> str:
    output = StringIO()
    console = Console(file=output, width=200, force_terminal=terminal, markup=False, emoji=False, highlight=False)
    console.print(renderable)
    return output.getvalue()


def make_request(**fields):
    return ApiRequest.model_validate({**APPROVAL, **fields})


def test_card_has_the_call_the_requester_the_deadline_and_commands():
    output = render(card_view(make_request(), UTC))
    for text in (
        "deploy wants to run push_release_tag",
        "environment  production",
        "tag          v1.4.0",
        "asked for by alice",
        "open until 2026-03-01 09:30 UTC",
        "in thread thr_1",
        "/approve K7Q2M",
        "/deny K7Q2M REASON",
    ):
        assert text in output


def test_times_are_in_the_zone_of_the_reader():
    assert "2026-03-01 10:30 CET" in render(card_view(make_request(), ZoneInfo("Europe/Berlin")))


def test_question_has_its_choices():
    output = render(card_view(ApiRequest.model_validate(QUESTION), UTC))
    assert "deploy asks" in output
    assert "Which tag?" in output
    assert "/answer K7Q2M v1.4.0|v1.3.0" in output


def test_request_that_never_expires_has_no_deadline():
    assert "open until" not in render(card_view(make_request(expires_at=None), UTC))


def test_closed_view_says_who_decided_when_and_where():
    text = str(closed_view(make_request(status="approved", answers=[APPROVING_ANSWER]), UTC))
    assert text == "K7Q2M approved by bob (terminal) at 2026-03-01 09:10 UTC: looks good"


def test_closed_view_names_all_approvers_and_who_entered_answers():
    carols = {**APPROVING_ANSWER, "by": "person:carol", "entered_by": "person:dana"}
    text = str(closed_view(make_request(status="approved", answers=[carols, APPROVING_ANSWER]), UTC))
    assert text.startswith("K7Q2M approved by carol (entered by dana), then bob (terminal) at ")
    edit = {**carols, "decision": "edit", "is_proposal": True}
    text = str(closed_view(make_request(status="approved", answers=[edit, APPROVING_ANSWER]), UTC))
    assert text.startswith("K7Q2M edited by carol (entered by dana), approved by bob (terminal) at ")


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("expired", "no answer in time"),
        ("superseded", "withdrawn, or replaced by a new instruction"),
        ("cancelled", "cancelled with its thread"),
    ],
)
def test_closed_view_describes_an_end_without_an_answer(status, outcome):
    assert str(closed_view(make_request(status=status, answers=[APPROVING_ANSWER]), UTC)) == f"K7Q2M {outcome}"


def test_answer_that_does_not_count_has_its_reason():
    request = make_request(answers=[{**APPROVING_ANSWER, "counted": False, "reason": "this needs a second person"}])
    text = str(answer_view(request, request.answers[0], UTC))
    assert text.endswith("it does not count: this needs a second person")


def test_one_of_several_answers_leaves_the_request_open():
    request = make_request(answers=[APPROVING_ANSWER])
    assert str(answer_view(request, request.answers[0], UTC)).endswith("still open")


def test_closed_request_is_shown_with_its_arguments():
    output = render(
        request_view(make_request(status="denied", answers=[{**APPROVING_ANSWER, "decision": "deny"}]), UTC)
    )
    assert "v1.4.0" in output
    assert "K7Q2M denied by bob" in output
    assert "/approve" not in output


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


def test_card_has_the_explanation():
    output = render(card_view(make_request(**EXPLAINED), UTC))
    for text in (
        "why, in the agent's words: It is tested.",
        "asked for by Alice Ng",
        "can be decided by release (Bob Ito, Carol Diaz); 1 of 2 so far: Bob Ito",
        "open until 2026-03-01 09:30 UTC; without an answer by then nothing is done",
    ):
        assert text in output


@pytest.mark.parametrize(("viewer", "is_offered"), [("bob", True), ("alice", False), ("dave", False), (None, True)])
def test_approving_is_offered_only_to_deciders(viewer, is_offered):
    assert ("/approve K7Q2M" in render(card_view(make_request(**EXPLAINED), UTC, viewer))) is is_offered


@pytest.mark.parametrize("group", [{"role": "*"}, {"role": "crew", "more": 3}])
def test_approving_is_offered_if_not_all_deciders_are_listed(group):
    assert "/approve" in render(card_view(make_request(deciders=[group]), UTC, "dave"))


@pytest.mark.parametrize("length", [2_400, 20_000])
def test_long_values_and_questions_are_shown_whole(length):
    long_request = make_request(arguments={"note": "x" * length})
    closed = make_request(arguments={"note": "x" * length}, status="denied")
    for view in (card_view(long_request, UTC), request_view(long_request, UTC), request_view(closed, UTC)):
        assert render(view).count("x") >= length
    long_question = ApiRequest.model_validate({**QUESTION, "question": "y" * length})
    assert render(card_view(long_question, UTC)).count("y") >= length


def test_one_of_several_answers_shows_the_progress():
    request = make_request(answers=[APPROVING_ANSWER], **EXPLAINED)
    assert str(answer_view(request, request.answers[0], UTC)).endswith("still open, 1 of 2 so far: Bob Ito")


def test_emoji_and_joiners_are_not_escaped():
    written = "\u26a0\ufe0f \U0001f469\u200d\U0001f4bb \u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"
    assert written in render(message_view("deploy", written))


@pytest.mark.parametrize(
    "renderable",
    [
        message_view(ESCAPES, ESCAPES),
        error_view(ESCAPES),
        card_view(
            make_request(agent=ESCAPES, tool=ESCAPES, arguments={ESCAPES: ESCAPES}, requester=f"person:{ESCAPES}"), UTC
        ),
        card_view(ApiRequest.model_validate({**QUESTION, "question": ESCAPES, "choices": [ESCAPES]}), UTC),
        closed_view(
            make_request(
                status="approved", answers=[{**APPROVING_ANSWER, "comment": ESCAPES, "by": f"person:{ESCAPES}"}]
            ),
            UTC,
        ),
        threads_table([ApiThread.model_validate({**THREAD, "title": ESCAPES, "agent": ESCAPES, "status": ESCAPES})]),
        requests_table([make_request(thread_id=ESCAPES)]),
    ],
)
def test_views_escape_control_characters_and_markup(renderable):
    output = render(renderable)
    for character in ("\x1b", "\x07", "\x9b", "\u202e"):
        assert character not in output
    assert "[bold]:boom:" in output


def test_colors_are_only_for_terminals():
    assert "\x1b[" in render(error_view("no"), terminal=True)
    assert "\x1b[" not in render(error_view("no"))


@pytest.mark.parametrize(
    ("kind", "data", "summary"),
    [
        ("MessageReceived", {"text": "hello", "source": "terminal:you"}, "hello"),
        ("MessageEdited", {"ref": "C1:1.5", "text": "bye", "source": "slack:C1"}, "bye"),
        ("MessageDeleted", {"ref": "C1:1.5", "source": "slack:C1"}, "C1:1.5"),
        ("StepChosen", {"step": {"intent": "call_tool", "tool": "list_tags"}}, "call_tool list_tags"),
        ("RequestOpened", {"request": {"code": "K7Q2M", "tool": "roll_back"}}, "K7Q2M roll_back"),
        ("RequestOpened", {"request": {"code": "K7Q2M", "question": "Which?"}}, "K7Q2M Which?"),
        ("RequestAnswered", {"answer": {"decision": "deny", "comment": "no"}, "status": "denied"}, "deny no"),
        ("ToolFailed", {"call_id": "c", "error": "git is away"}, "git is away"),
        ("UnknownType", {"a": 1}, ""),
    ],
)
def test_events_have_a_summary(kind, data, summary):
    assert format_event(kind, data) == summary


def test_edited_and_deleted_messages_are_marked():
    assert render(message_change_view("alice", "not v1\x1b[2J")) == "alice (edited): not v1\\x1b[2J\n"
    assert render(message_change_view("al\x1bice", None)) == "al\\x1bice deleted a message\n"


def test_help_lists_every_command():
    output = render(help_table())
    assert all(usage in output for usage, _ in HELP)


def test_time_without_a_zone_is_local():
    at = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
    assert f"{at.astimezone():%Y-%m-%d %H:%M}" in render(card_view(make_request()))
