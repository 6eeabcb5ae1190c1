"""Deadlines are reported once, at the exact microsecond or later."""

from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.core.deadlines import due_events, next_deadline
from agents.core.events import (
    MessageUndeliverable,
    NoticeGiven,
    RequestEscalated,
    RequestExpired,
    RequestReminded,
    ThreadFinished,
    ThreadPaused,
    ThreadResumed,
    ToolFailed,
)
from agents.core.next_step import next_work
from agents.core.people import People, Person
from agents.core.policy import ApprovalTerms, EscalationStep, Policy
from agents.core.reducer import fold
from agents.core.state import ThreadState
from agents.core.steps import Await, CallTool
from agents.core.values import CLOCK, Address
from tests.agents.factories import (
    NOW,
    RELEASE_TERMS,
    after_answer,
    after_step,
    after_tool_started,
    message_received,
    seconds_later,
    thread,
    thread_waiting_for_approval,
)
from tests.harness.people import ALICE
from tests.histories import CAROL_PHONE, PEOPLE, RandomHistory, random_histories

ALICE_AT_TERMINAL = Address("terminal:alice")
MICROSECOND = timedelta(microseconds=1)
ONCALL_ROLE = Address("role:oncall")
REMIND_AND_ESCALATE_TERMS = RELEASE_TERMS.model_copy(
    update={
        "remind": (300, 600),
        "escalate": (
            EscalationStep(after=450, to=ONCALL_ROLE, via="sms"),
            EscalationStep(after=900, to=Address("slack:C0OPS")),
        ),
    }
)


def due_steps(state: ThreadState, at: datetime) -> list[tuple[str, int]]:
    """Return type and number of the reminders and escalations that are due."""
    events = due_events(state, at, PEOPLE)
    assert all(event.actor == CLOCK and event.at == at for event in events)
    return [(e.type, e.nth) for e in events if isinstance(e, RequestReminded | RequestEscalated)]


def after_clock(state: ThreadState, at: datetime) -> ThreadState:
    return fold(state, due_events(state, at, PEOPLE))


def test_running_finished_or_new_thread_has_no_deadline() -> None:
    assert next_deadline(ThreadState()) is None
    assert next_deadline(thread()) is None
    assert due_events(thread(), seconds_later(10**6), PEOPLE) == ()


def test_unreadable_thread_has_no_deadline() -> None:
    state = thread_waiting_for_approval(REMIND_AND_ESCALATE_TERMS).model_copy(update={"unreadable": "ThreadPainted"})
    assert (next_deadline(state), due_events(state, seconds_later(10**6), PEOPLE)) == (None, ())


# Expiry


@pytest.mark.parametrize(
    ("on_expire", "types"),
    [
        ("deny", ["RequestExpired"]),
        ("hold", ["RequestExpired", "ThreadPaused"]),
        ("halt", ["RequestExpired", "ThreadFinished"]),
    ],
)
def test_request_expires_at_the_exact_microsecond(on_expire: str, types: list[str]) -> None:
    state = thread_waiting_for_approval(
        ApprovalTerms.model_validate({"roles": ("release",), "expires": 60, "on_expire": on_expire})
    )
    end = seconds_later(60)
    assert next_deadline(state) == end
    assert due_events(state, end - MICROSECOND, PEOPLE) == ()
    assert [e.type for e in due_events(state, end, PEOPLE)] == types
    assert [e.type for e in due_events(state, end + MICROSECOND, PEOPLE)] == types
    assert [e.type for e in due_events(state, end + timedelta(days=300), PEOPLE)] == types


def test_expiry_is_recorded_as_a_timeout() -> None:
    state = thread_waiting_for_approval(RELEASE_TERMS.model_copy(update={"on_expire": "halt"}))
    expired, finished = due_events(state, seconds_later(1800), PEOPLE)
    assert isinstance(expired, RequestExpired)
    assert isinstance(finished, ThreadFinished)
    assert (expired.request_id, expired.on_expire) == (state.requests[0].id, "halt")
    reason = f"request {state.requests[0].code} got no answer in time, so nothing was done"
    assert (finished.outcome, finished.reason) == ("failed", f"{reason}; write again if you still want it")


def test_on_expire_deny_continues_without_the_call() -> None:
    state = after_clock(thread_waiting_for_approval(), seconds_later(1800))
    assert (state.status, state.current_call, state.open_request, state.needs_model) == ("running", None, None, True)


def test_on_expire_halt_ends_the_thread() -> None:
    state = after_clock(
        thread_waiting_for_approval(RELEASE_TERMS.model_copy(update={"on_expire": "halt"})), seconds_later(1800)
    )
    assert (state.status, state.current_call, next_work(state)) == ("failed", None, ())


def test_on_expire_hold_pauses_the_thread_and_keeps_the_request() -> None:
    state = after_clock(
        thread_waiting_for_approval(RELEASE_TERMS.model_copy(update={"on_expire": "hold"})), seconds_later(1800)
    )
    assert state.status == "paused"
    assert state.paused is not None
    assert state.paused.endswith("stays open: answer it, and the thread goes on")
    assert (next_deadline(state), due_events(state, seconds_later(10**6), PEOPLE)) == (None, ())
    resumed = fold(after_answer(state), [ThreadResumed(at=seconds_later(3600), actor=ALICE)])
    assert [effect.key for effect in next_work(resumed)] == [f"tool:{resumed.current_call.call_id}:1"]


def test_late_clock_reports_everything_about_a_kept_request_at_once() -> None:
    """The request stays open after it expired, so its reminders and escalations remain due."""
    state = thread_waiting_for_approval(REMIND_AND_ESCALATE_TERMS.model_copy(update={"on_expire": "hold"}))
    at = seconds_later(1800)
    assert due_events(state, at, PEOPLE)[0].type == "RequestExpired"
    assert len(due_steps(state, at)) == 4
    assert due_events(after_clock(state, at), at, PEOPLE) == ()


def test_expired_request_gets_no_reminder() -> None:
    assert due_steps(thread_waiting_for_approval(REMIND_AND_ESCALATE_TERMS), seconds_later(1800)) == []


@pytest.mark.parametrize("decision", ["approve", "deny"])
def test_answer_stops_reminders_and_escalations(decision: str) -> None:
    state = after_answer(thread_waiting_for_approval(REMIND_AND_ESCALATE_TERMS), decision)
    assert next_deadline(state) is None
    assert due_events(state, seconds_later(10**6), PEOPLE) == ()


# Reminders and escalations


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (300, [("RequestReminded", 1)]),
        (450, [("RequestReminded", 1), ("RequestEscalated", 1)]),
        (600, [("RequestReminded", 1), ("RequestReminded", 2), ("RequestEscalated", 1)]),
        (900, [("RequestReminded", 1), ("RequestReminded", 2), ("RequestEscalated", 1), ("RequestEscalated", 2)]),
    ],
)
def test_late_clock_reports_all_missed_deadlines(seconds: int, expected: list[tuple[str, int]]) -> None:
    state = thread_waiting_for_approval(REMIND_AND_ESCALATE_TERMS)
    assert due_steps(state, seconds_later(seconds)) == expected
    assert len(due_steps(state, seconds_later(seconds) - MICROSECOND)) == len(expected) - 1


def test_punctual_clock_reports_each_deadline_once() -> None:
    state, reported = thread_waiting_for_approval(REMIND_AND_ESCALATE_TERMS), []
    for at in (seconds_later(seconds) for seconds in (300, 450, 600, 900, 1800)):
        assert next_deadline(state) == at
        assert due_events(state, at - MICROSECOND, PEOPLE) == ()
        reported += [((at - NOW).total_seconds(), event.type) for event in due_events(state, at, PEOPLE)]
        state = after_clock(state, at)
        assert due_events(state, at, PEOPLE) == ()
    assert next_deadline(state) is None
    assert reported == [
        (300, "RequestReminded"),
        (450, "RequestEscalated"),
        (600, "RequestReminded"),
        (900, "RequestEscalated"),
        (1800, "RequestExpired"),
    ]


def test_unsorted_deadlines_are_all_reported() -> None:
    unsorted_terms = RELEASE_TERMS.model_copy(
        update=ApprovalTerms(remind=(600, 60, 300)).model_dump(include={"remind"})
    )
    state = thread_waiting_for_approval(unsorted_terms)
    assert next_deadline(state) == seconds_later(60)
    state = after_clock(state, seconds_later(60))
    assert next_deadline(state) == seconds_later(300)
    assert due_steps(state, seconds_later(600)) == [("RequestReminded", 2), ("RequestReminded", 3)]


def test_escalation_resolves_roles_and_keeps_plain_addresses() -> None:
    first, second = (
        e
        for e in due_events(thread_waiting_for_approval(REMIND_AND_ESCALATE_TERMS), seconds_later(900), PEOPLE)
        if isinstance(e, RequestEscalated)
    )
    assert first.to == (CAROL_PHONE,)
    assert second.to == (Address("slack:C0OPS"),)


def after_failed_deliveries(state: ThreadState) -> ThreadState:
    """Return the thread after all pending deliveries failed."""
    actor = Address("channel:test")
    return fold(
        state,
        [MessageUndeliverable(at=NOW, actor=actor, key=m.key, to=m.to, reason="gone") for m in state.pending_messages],
    )


def test_undeliverable_card_escalates_at_once() -> None:
    state = after_failed_deliveries(thread_waiting_for_approval(REMIND_AND_ESCALATE_TERMS, shown_to=()))
    assert next_deadline(state) == NOW
    assert due_steps(state, seconds_later(1)) == [("RequestEscalated", 1)]
    further = after_failed_deliveries(after_clock(state, seconds_later(1)))
    assert due_steps(further, seconds_later(2)) == [("RequestEscalated", 2)]
    assert due_steps(after_failed_deliveries(after_clock(further, seconds_later(2))), seconds_later(3)) == [
        ("RequestEscalated", 3)
    ]


def direct_recipients(state: ThreadState) -> list[tuple[Address, ...]]:
    """Return the recipients of each escalation while all deliveries fail."""
    recipients: list[tuple[Address, ...]] = []
    while next_deadline(state := after_failed_deliveries(state)) == NOW:
        recipients += [e.to for e in due_events(state, seconds_later(1), PEOPLE) if isinstance(e, RequestEscalated)]
        state = after_clock(state, seconds_later(1))
    return recipients


def test_undeliverable_card_goes_to_requester_and_approvers() -> None:
    email, web = Address("email:alice@example.com"), Address("web:bob")
    first, second = direct_recipients(thread_waiting_for_approval(shown_to=()))
    assert first == (ALICE_AT_TERMINAL, Address("terminal:bob"), CAROL_PHONE)
    assert second == (email, web, Address("terminal:carol"))


def test_direct_card_says_why_it_was_sent() -> None:
    state = after_clock(after_failed_deliveries(thread_waiting_for_approval(shown_to=())), seconds_later(1))
    cards = [m.message.card for m in state.pending_messages]
    assert {card.note for card in cards if card} == {"This could not be shown in its conversation: gone"}


def test_delivered_card_is_not_sent_directly() -> None:
    state = after_clock(thread_waiting_for_approval(REMIND_AND_ESCALATE_TERMS), seconds_later(900))
    assert next_deadline(after_failed_deliveries(state)) != NOW


def test_direct_cards_are_limited_for_a_large_role() -> None:
    crowd = tuple(Person(key=f"p{n}", name="P", roles=("release",)) for n in range(30))
    state = after_failed_deliveries(thread_waiting_for_approval(shown_to=()))
    (escalated,) = (
        e for e in due_events(state, seconds_later(1), People(members=crowd)) if isinstance(e, RequestEscalated)
    )
    assert len(escalated.to) == 10


def test_pending_card_does_not_escalate_early() -> None:
    assert due_steps(thread_waiting_for_approval(REMIND_AND_ESCALATE_TERMS, shown_to=()), seconds_later(1)) == []


def test_escalation_without_recipients_is_recorded() -> None:
    terms = RELEASE_TERMS.model_copy(update={"escalate": (EscalationStep(after=60, to=Address("role:ghosts")),)})
    state = thread_waiting_for_approval(terms)
    escalated, notice = due_events(state, seconds_later(60), PEOPLE)
    assert isinstance(escalated, RequestEscalated)
    assert isinstance(notice, NoticeGiven)
    assert escalated.to == ()
    assert after_clock(state, seconds_later(60)).open_request is not None


def test_reminder_goes_to_the_origin_and_escalation_to_its_address() -> None:
    state = after_clock(thread_waiting_for_approval(REMIND_AND_ESCALATE_TERMS), seconds_later(450))
    assert [(m.to, m.replaces) for m in state.pending_messages] == [("terminal:alice", None), (CAROL_PHONE, None)]
    assert len({m.key for m in state.pending_messages}) == 2


# Paused threads and timers


def after_pause(state: ThreadState) -> ThreadState:
    return fold(state, [ThreadPaused(at=NOW, actor=ALICE, reason="wait")])


def after_resume(state: ThreadState) -> ThreadState:
    return fold(state, [ThreadResumed(at=NOW, actor=ALICE)])


def test_paused_thread_still_reminds_and_expires() -> None:
    state = after_pause(thread_waiting_for_approval(REMIND_AND_ESCALATE_TERMS))
    assert next_deadline(state) == seconds_later(300)
    assert due_steps(state, seconds_later(300)) == [("RequestReminded", 1)]
    expired = after_clock(state, seconds_later(1800))
    assert (expired.status, next_work(expired)) == ("paused", ())
    assert after_resume(expired).status == "running"


def waiting_thread(seconds: int = 600) -> ThreadState:
    return after_step(thread(), Await(seconds=seconds, reason="patience"), Policy(people=PEOPLE))


def test_wait_ends_at_the_exact_microsecond() -> None:
    state, end = waiting_thread(), seconds_later(600)
    assert (state.status, next_deadline(state), next_work(state)) == ("waiting_for_time", end, ())
    assert due_events(state, end - MICROSECOND, PEOPLE) == ()
    assert [e.type for e in due_events(state, end, PEOPLE)] == ["TimerFired"]
    awake = after_clock(state, end)
    assert (awake.status, awake.needs_model, next_deadline(awake)) == ("running", True, None)


def test_timer_due_during_a_pause_fires_after_resuming() -> None:
    state = after_pause(waiting_thread())
    assert (next_deadline(state), due_events(state, seconds_later(10**6), PEOPLE)) == (None, ())
    assert next_deadline(after_resume(state)) == seconds_later(600)
    assert [e.type for e in due_events(after_resume(state), seconds_later(10**6), PEOPLE)] == ["TimerFired"]


def test_message_ends_a_wait() -> None:
    state = fold(waiting_thread(), [message_received("go on")])
    assert (state.status, state.needs_model, next_deadline(state)) == ("running", True, None)


def test_delayed_work_sets_a_deadline_without_an_event() -> None:
    state = after_tool_started(
        after_step(thread(), CallTool(tool="look", arguments={"depth": 1}), Policy(people=PEOPLE))
    )
    failed = ToolFailed(
        at=NOW, actor=ALICE, call_id=state.current_call.call_id, error="busy", retry_at=seconds_later(30)
    )
    state = fold(state, [failed])
    assert (state.status, next_deadline(state)) == ("waiting_for_time", seconds_later(30))
    assert due_events(state, seconds_later(30), PEOPLE) == ()
    assert [effect.not_before for effect in next_work(state)] == [seconds_later(30)]


@settings(suppress_health_check=list(HealthCheck))
@given(random_histories(max_moves=30), st.integers(0, 5000))
def test_no_event_is_due_before_the_next_deadline(history: RandomHistory, seconds: int) -> None:
    state, now = history.state, history.now + timedelta(seconds=seconds)
    at = next_deadline(state)
    if at is None or now < at:
        assert due_events(state, now, PEOPLE) == ()
    elif state.timer_at is not None or state.status != "waiting_for_time":
        assert due_events(state, now, PEOPLE) != ()
