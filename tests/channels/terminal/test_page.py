"""The page of a thread."""

from datetime import UTC

from channels.terminal.client import LoggedEvent
from channels.terminal.page import MAX_SHOWN_EVENTS, thread_page
from channels.terminal.views import ApiThread
from tests.channels.terminal.test_views import ESCAPES, THREAD, make_request, render


def make_thread(**fields):
    budget = {"steps": {"limit": 50, "spent": 2}, "usd": {"limit": None, "spent": 0}}
    details = {
        "title": "deploy v1.4.0",
        "created_at": "2026-03-01T08:59:00Z",
        "budget": budget,
        "labels": {"ticket": "T-1"},
    }
    return ApiThread.model_validate({**THREAD, **details, **fields})


def make_event(kind: str, data: dict[str, object], seq: int = 1, actor: str = "agent:deploy") -> LoggedEvent:
    return LoggedEvent(seq, kind, "2026-03-01T09:00:01Z", actor, data)


EVENTS = (
    make_event("MessageReceived", {"text": "deploy v1.4.0"}, actor="person:alice"),
    make_event("ToolCalled", {"tool": "list_tags", "arguments": {"limit": 10}}),
    make_event("ToolStarted", {"call_id": "call_hidden"}),
    make_event("ToolFailed", {"error": "git is away", "where": "tools.py:7"}, actor="tool:list_tags"),
    make_event("ToolSucceeded", {"summary": "v1.4.0\nv1.3.0\nv1.2.0"}, actor="tool:list_tags"),
    make_event("RequestOpened", {"request": {"code": "K7Q2M", "tool": "push_release_tag"}}),
    make_event("RequestAnswered", {"answer": {"decision": "deny", "comment": "not today"}}, actor="person:bob"),
    make_event("ReplyChosen", {"text": "I will not."}),
)


def test_page_has_details_requests_and_steps():
    output = render(thread_page(make_thread(), EVENTS, [make_request()], UTC))
    for text in (
        "deploy v1.4.0",
        "thr_1",
        "waiting_for_human",
        "alice",
        "2026-03-01 08:59 UTC",
        "steps 2 of 50",
        "ticket=T-1",
        "/approve K7Q2M",
        "03-01 09:00:01  alice: deploy v1.4.0",
        "deploy calls list_tags limit=10",
        "list_tags failed: git is away (at tools.py:7)",
        "list_tags returned v1.4.0 … (2 more lines)",
        "deploy asks K7Q2M push_release_tag",
        "bob answered: deny not today",
        "deploy: I will not.",
    ):
        assert text in output
    assert "usd" not in output
    assert "call_hidden" not in output


def test_page_names_the_person_who_entered_an_event():
    entry = {"entered_by": "person:dana"}
    events = [
        make_event("MessageReceived", {"text": "deploy v1.4.0", **entry}, actor="person:alice"),
        make_event("RequestAnswered", {"answer": {"decision": "approve", **entry}}, actor="person:bob"),
    ]
    output = render(thread_page(make_thread(), events, [], UTC))
    assert "alice (entered by dana): deploy v1.4.0" in output
    assert "bob (entered by dana) answered: approve" in output


def test_page_says_that_a_rejected_answer_does_not_count():
    refused = {"decision": "approve", "counted": False, "reason": "not among those who may decide"}
    events = [make_event("RequestAnswered", {"answer": refused}, actor="person:eve")]
    output = render(thread_page(make_thread(), events, [], UTC))
    assert "eve answered: approve; it does not count: not among those who may decide" in output


def test_long_page_has_only_the_latest_steps():
    events = [make_event("ReplyChosen", {"text": f"reply {nth}."}, nth) for nth in range(MAX_SHOWN_EVENTS + 7)]
    output = render(thread_page(make_thread(), events, [], UTC))
    assert "7 earlier events are not shown; to see them: handrail threads events thr_1" in output
    assert "reply 6." not in output
    assert "reply 7." in output


def test_page_escapes_control_characters():
    thread = make_thread(title=ESCAPES, agent=ESCAPES, labels={ESCAPES: ESCAPES}, requester=f"person:{ESCAPES}")
    data = {"text": ESCAPES, "error": ESCAPES, "tool": ESCAPES, "arguments": {ESCAPES: ESCAPES}}
    kinds = ("ReplyChosen", "ToolCalled", "ToolFailed")
    events = [make_event(kind, data, actor=f"agent:{ESCAPES}") for kind in kinds]
    output = render(thread_page(thread, events, [], UTC))
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(output)


def test_page_has_the_names_of_people():
    names = {"person:alice": "Alice Ng", "person:bob": "Bob Ito", "terminal:bob": "Bob Ito"}
    escalated = {"request_id": "req_1", "to": ["terminal:bob"]}
    events = [
        LoggedEvent(1, "MessageReceived", "2026-03-01T09:00:01Z", "person:alice", {"text": "deploy"}, names),
        LoggedEvent(2, "RequestEscalated", "2026-03-01T09:00:01Z", "system:clock", escalated, names),
        LoggedEvent(3, "ThreadResumed", "2026-03-01T09:00:01Z", "person:bob", {}, names),
    ]
    page = render(thread_page(make_thread(names=names), events, [], UTC))
    for text in ("Alice Ng: deploy", "escalated the request to Bob Ito (terminal)", "Bob Ito resumed the thread"):
        assert text in page
    assert "requester  Alice Ng" in page
