"""The page of a thread."""

from datetime import UTC

from channels.terminal.client import LoggedEvent
from channels.terminal.page import MAX_STEPS, thread_page
from channels.terminal.views import ApiThread
from tests.channels.terminal.test_views import ESCAPES, THREAD, a_request, drawn


def a_thread(**changed):
    budget = {"steps": {"limit": 50, "spent": 2}, "usd": {"limit": None, "spent": 0}}
    more = {
        "title": "deploy v1.4.0",
        "created_at": "2026-03-01T08:59:00Z",
        "budget": budget,
        "labels": {"ticket": "T-1"},
    }
    return ApiThread.model_validate({**THREAD, **more, **changed})


def an_event(kind: str, data: dict[str, object], seq: int = 1, actor: str = "agent:deploy") -> LoggedEvent:
    return LoggedEvent(seq, kind, "2026-03-01T09:00:01Z", actor, data)


EVENTS = (
    an_event("MessageReceived", {"text": "deploy v1.4.0"}, actor="person:alice"),
    an_event("ToolCalled", {"tool": "list_tags", "arguments": {"limit": 10}}),
    an_event("ToolStarted", {"call_id": "call_hidden"}),
    an_event("ToolFailed", {"error": "git is away", "where": "tools.py:7"}, actor="tool:list_tags"),
    an_event("ToolSucceeded", {"summary": "v1.4.0\nv1.3.0\nv1.2.0"}, actor="tool:list_tags"),
    an_event("RequestOpened", {"request": {"code": "K7Q2M", "tool": "push_release_tag"}}),
    an_event("RequestAnswered", {"answer": {"decision": "deny", "comment": "not today"}}, actor="person:bob"),
    an_event("ReplyChosen", {"text": "I will not."}),
)


def test_a_page_says_what_the_thread_is_what_it_waits_for_and_what_happened():
    shown = drawn(thread_page(a_thread(), EVENTS, [a_request()], UTC))
    for told in (
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
        "list_tags says v1.4.0 … (2 more lines)",
        "deploy asks K7Q2M push_release_tag",
        "bob answered: deny not today",
        "deploy: I will not.",
    ):
        assert told in shown
    assert "usd" not in shown
    assert "call_hidden" not in shown


def test_a_page_names_who_entered_something_for_another_person():
    proxy = {"entered_by": "person:dana"}
    events = [
        an_event("MessageReceived", {"text": "deploy v1.4.0", **proxy}, actor="person:alice"),
        an_event("RequestAnswered", {"answer": {"decision": "approve", **proxy}}, actor="person:bob"),
    ]
    shown = drawn(thread_page(a_thread(), events, [], UTC))
    assert "alice (entered by dana): deploy v1.4.0" in shown
    assert "bob (entered by dana) answered: approve" in shown


def test_a_page_says_of_a_refused_answer_that_it_does_not_count():
    refused = {"decision": "approve", "counted": False, "reason": "not among those who may decide"}
    events = [an_event("RequestAnswered", {"answer": refused}, actor="person:eve")]
    shown = drawn(thread_page(a_thread(), events, [], UTC))
    assert "eve answered: approve; it does not count: not among those who may decide" in shown


def test_a_long_page_has_the_latest_steps_and_says_where_the_others_are():
    events = [an_event("ReplyChosen", {"text": f"reply {nth}."}, nth) for nth in range(MAX_STEPS + 7)]
    shown = drawn(thread_page(a_thread(), events, [], UTC))
    assert "7 earlier steps: handrail threads events thr_1" in shown
    assert "reply 6." not in shown
    assert "reply 7." in shown


def test_nothing_others_write_moves_the_cursor_of_a_page():
    thread = a_thread(title=ESCAPES, agent=ESCAPES, labels={ESCAPES: ESCAPES}, requester=f"person:{ESCAPES}")
    data = {"text": ESCAPES, "error": ESCAPES, "tool": ESCAPES, "arguments": {ESCAPES: ESCAPES}}
    kinds = ("ReplyChosen", "ToolCalled", "ToolFailed")
    events = [an_event(kind, data, actor=f"agent:{ESCAPES}") for kind in kinds]
    shown = drawn(thread_page(thread, events, [], UTC))
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(shown)


def test_people_of_a_page_have_their_names():
    names = {"person:alice": "Alice Ng", "person:bob": "Bob Ito", "terminal:bob": "Bob Ito"}
    asked = {"request_id": "req_1", "to": ["terminal:bob"]}
    events = [
        LoggedEvent(1, "MessageReceived", "2026-03-01T09:00:01Z", "person:alice", {"text": "deploy"}, names),
        LoggedEvent(2, "RequestEscalated", "2026-03-01T09:00:01Z", "system:clock", asked, names),
        LoggedEvent(3, "ThreadResumed", "2026-03-01T09:00:01Z", "person:bob", {}, names),
    ]
    page = drawn(thread_page(a_thread(names=names), events, [], UTC))
    for told in ("Alice Ng: deploy", "escalates the request to Bob Ito (terminal)", "Bob Ito resumed the thread"):
        assert told in page
    assert "asked by    Alice Ng" in page
