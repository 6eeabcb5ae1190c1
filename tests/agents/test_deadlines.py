"""Deadlines: what the clock says to a thread, to the microsecond, once, however late it comes."""

from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.addresses import CLOCK, Address
from agents.deadlines import due, wake_at
from agents.events import (
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
from agents.next_step import work
from agents.people import People, Person
from agents.policy import Ask, Escalation, Policy
from agents.reducer import fold
from agents.state import ThreadState
from agents.steps import Await, CallTool
from tests.agents.samples import (
    ALICE,
    NOW,
    PEOPLE,
    PHONE,
    RELEASE,
    after,
    answered,
    asking_thread,
    message,
    started,
    stepped,
    thread,
)
from tests.histories import PEOPLE as WALKERS
from tests.histories import Walk, walks

ALICE_AT_TERMINAL = Address("terminal:alice")
MICROSECOND = timedelta(microseconds=1)
ONCALL = Address("role:oncall")
LADDER = RELEASE.model_copy(
    update={
        "remind": (300, 600),
        "escalate": (Escalation(after=450, to=ONCALL, via="sms"), Escalation(after=900, to=Address("slack:C0OPS"))),
    }
)


def told(state: ThreadState, at: datetime) -> list[tuple[str, int]]:
    """The reminders and escalations of one moment, by name and number."""
    events = due(state, at, PEOPLE)
    assert all(event.actor == CLOCK and event.at == at for event in events)
    return [(e.type, e.nth) for e in events if isinstance(e, RequestReminded | RequestEscalated)]


def ticked(state: ThreadState, at: datetime) -> ThreadState:
    return fold(state, due(state, at, PEOPLE))


def test_nobody_waits_for_the_clock_in_a_thread_that_runs_rests_or_is_new() -> None:
    assert wake_at(ThreadState()) is None
    assert wake_at(thread()) is None
    assert due(thread(), after(10**6), PEOPLE) == ()


def test_a_thread_this_build_cannot_read_waits_for_no_clock() -> None:
    state = asking_thread(LADDER).model_copy(update={"unreadable": "ThreadPainted"})
    assert (wake_at(state), due(state, after(10**6), PEOPLE)) == (None, ())


# Expiry


@pytest.mark.parametrize(
    ("on_expire", "types"),
    [
        ("deny", ["RequestExpired"]),
        ("hold", ["RequestExpired", "ThreadPaused"]),
        ("halt", ["RequestExpired", "ThreadFinished"]),
    ],
)
def test_a_request_runs_out_at_the_very_microsecond(on_expire: str, types: list[str]) -> None:
    state = asking_thread(Ask.model_validate({"roles": ("release",), "expires": 60, "on_expire": on_expire}))
    end = after(60)
    assert wake_at(state) == end
    assert due(state, end - MICROSECOND, PEOPLE) == ()
    assert [e.type for e in due(state, end, PEOPLE)] == types
    assert [e.type for e in due(state, end + MICROSECOND, PEOPLE)] == types
    assert [e.type for e in due(state, end + timedelta(days=300), PEOPLE)] == types


def test_a_timeout_is_told_as_a_timeout() -> None:
    state = asking_thread(RELEASE.model_copy(update={"on_expire": "halt"}))
    expired, finished = due(state, after(1800), PEOPLE)
    assert isinstance(expired, RequestExpired)
    assert isinstance(finished, ThreadFinished)
    assert (expired.request_id, expired.on_expire) == (state.requests[0].id, "halt")
    told = f"request {state.requests[0].code} got no answer in time, so nothing was done"
    assert (finished.outcome, finished.reason) == ("failed", f"{told}; write again if you still want it")


def test_denying_at_expiry_lets_the_model_go_on_without_the_call() -> None:
    state = ticked(asking_thread(), after(1800))
    assert (state.status, state.call, state.request, state.models_turn) == ("running", None, None, True)


def test_halting_at_expiry_ends_the_thread() -> None:
    state = ticked(asking_thread(RELEASE.model_copy(update={"on_expire": "halt"})), after(1800))
    assert (state.status, state.call, work(state)) == ("failed", None, ())


def test_holding_at_expiry_pauses_the_thread_and_leaves_the_request_to_be_answered() -> None:
    state = ticked(asking_thread(RELEASE.model_copy(update={"on_expire": "hold"})), after(1800))
    assert state.status == "paused"
    assert state.paused is not None
    assert state.paused.endswith("stays open: answer it, and the thread goes on")
    assert (wake_at(state), due(state, after(10**6), PEOPLE)) == (None, ())
    resumed = fold(answered(state), [ThreadResumed(at=after(3600), actor=ALICE)])
    assert [effect.key for effect in work(resumed)] == [f"tool:{resumed.call.call_id}:1"]


def test_a_request_that_ran_out_is_not_reminded_of() -> None:
    assert told(asking_thread(LADDER), after(1800)) == []


@pytest.mark.parametrize("decision", ["approve", "deny"])
def test_an_answer_stops_the_ladder(decision: str) -> None:
    state = answered(asking_thread(LADDER), decision)
    assert wake_at(state) is None
    assert due(state, after(10**6), PEOPLE) == ()


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
def test_a_late_clock_tells_all_it_missed_in_order_of_their_kind(seconds: int, expected: list[tuple[str, int]]) -> None:
    state = asking_thread(LADDER)
    assert told(state, after(seconds)) == expected
    assert len(told(state, after(seconds) - MICROSECOND)) == len(expected) - 1


def test_a_punctual_clock_tells_each_deadline_at_its_time_and_once() -> None:
    state, seen = asking_thread(LADDER), []
    for at in (after(seconds) for seconds in (300, 450, 600, 900, 1800)):
        assert wake_at(state) == at
        assert due(state, at - MICROSECOND, PEOPLE) == ()
        seen += [((at - NOW).total_seconds(), event.type) for event in due(state, at, PEOPLE)]
        state = ticked(state, at)
        assert due(state, at, PEOPLE) == ()
    assert wake_at(state) is None
    assert seen == [
        (300, "RequestReminded"),
        (450, "RequestEscalated"),
        (600, "RequestReminded"),
        (900, "RequestEscalated"),
        (1800, "RequestExpired"),
    ]


def test_deadlines_written_out_of_order_are_all_told() -> None:
    jumbled = RELEASE.model_copy(update=Ask(remind=(600, 60, 300)).model_dump(include={"remind"}))
    state = asking_thread(jumbled)
    assert wake_at(state) == after(60)
    state = ticked(state, after(60))
    assert wake_at(state) == after(300)
    assert told(state, after(600)) == [("RequestReminded", 2), ("RequestReminded", 3)]


def test_an_escalation_reaches_a_role_on_the_named_channel_and_an_address_as_it_is() -> None:
    first, second = (e for e in due(asking_thread(LADDER), after(900), PEOPLE) if isinstance(e, RequestEscalated))
    assert first.to == (PHONE,)
    assert second.to == (Address("slack:C0OPS"),)


def refused(state: ThreadState) -> ThreadState:
    """No channel takes what the thread has to say."""
    actor = Address("channel:test")
    return fold(
        state,
        [MessageUndeliverable(at=NOW, actor=actor, key=m.key, to=m.to, reason="gone") for m in state.outgoing],
    )


def test_when_no_channel_takes_the_card_the_next_one_is_asked_at_once() -> None:
    state = refused(asking_thread(LADDER, shown_to=()))
    assert wake_at(state) == NOW
    assert told(state, after(1)) == [("RequestEscalated", 1)]
    further = refused(ticked(state, after(1)))
    assert told(further, after(2)) == [("RequestEscalated", 2)]
    assert told(refused(ticked(further, after(2))), after(3)) == [("RequestEscalated", 3)]


def directly(state: ThreadState) -> list[tuple[Address, ...]]:
    """Whom the clock asks, each time that no channel takes what is sent."""
    asked: list[tuple[Address, ...]] = []
    while wake_at(state := refused(state)) == NOW:
        asked += [e.to for e in due(state, after(1), PEOPLE) if isinstance(e, RequestEscalated)]
        state = ticked(state, after(1))
    return asked


def test_a_card_no_channel_takes_goes_to_the_requester_and_the_approvers_directly() -> None:
    mail, web = Address("email:alice@example.com"), Address("web:bob")
    first, second = directly(asking_thread(shown_to=()))
    assert first == (ALICE_AT_TERMINAL, Address("terminal:bob"), PHONE)
    assert second == (mail, web, Address("terminal:carol"))


def test_who_is_asked_directly_learns_why() -> None:
    state = ticked(refused(asking_thread(shown_to=())), after(1))
    cards = [m.message.card for m in state.outgoing]
    assert {card.note for card in cards if card} == {"It could not be shown where it was asked: gone"}


def test_a_card_that_was_seen_somewhere_is_sent_to_nobody_directly() -> None:
    state = ticked(asking_thread(LADDER), after(900))
    assert wake_at(refused(state)) != NOW


def test_of_a_role_that_everybody_has_not_all_are_disturbed() -> None:
    crowd = tuple(Person(key=f"p{n}", name="P", roles=("release",)) for n in range(30))
    state = refused(asking_thread(shown_to=()))
    (asked,) = (e for e in due(state, after(1), People(everybody=crowd)) if isinstance(e, RequestEscalated))
    assert len(asked.to) == 10


def test_while_the_card_is_on_its_way_nobody_else_is_asked_before_the_time() -> None:
    assert told(asking_thread(LADDER, shown_to=()), after(1)) == []


def test_an_escalation_to_nobody_is_written_down_all_the_same() -> None:
    nobody = RELEASE.model_copy(update={"escalate": (Escalation(after=60, to=Address("role:ghosts")),)})
    state = asking_thread(nobody)
    escalated, notice = due(state, after(60), PEOPLE)
    assert isinstance(escalated, RequestEscalated)
    assert isinstance(notice, NoticeGiven)
    assert escalated.to == ()
    assert ticked(state, after(60)).request is not None


def test_a_reminder_is_a_new_card_where_the_thread_came_from_and_an_escalation_one_elsewhere() -> None:
    state = ticked(asking_thread(LADDER), after(450))
    assert [(m.to, m.replacing) for m in state.outgoing] == [("terminal:alice", None), (PHONE, None)]
    assert len({m.key for m in state.outgoing}) == 2


# Paused threads and timers


def paused(state: ThreadState) -> ThreadState:
    return fold(state, [ThreadPaused(at=NOW, actor=ALICE, reason="wait")])


def resumed(state: ThreadState) -> ThreadState:
    return fold(state, [ThreadResumed(at=NOW, actor=ALICE)])


def test_people_are_reminded_and_requests_run_out_while_a_thread_is_paused() -> None:
    state = paused(asking_thread(LADDER))
    assert wake_at(state) == after(300)
    assert told(state, after(300)) == [("RequestReminded", 1)]
    expired = ticked(state, after(1800))
    assert (expired.status, work(expired)) == ("paused", ())
    assert resumed(expired).status == "running"


def sleeping(seconds: int = 600) -> ThreadState:
    return stepped(thread(), Await(seconds=seconds, reason="patience"), Policy(people=PEOPLE))


def test_a_wait_is_over_at_the_very_microsecond() -> None:
    state, end = sleeping(), after(600)
    assert (state.status, wake_at(state), work(state)) == ("waiting_for_time", end, ())
    assert due(state, end - MICROSECOND, PEOPLE) == ()
    assert [e.type for e in due(state, end, PEOPLE)] == ["TimerFired"]
    awake = ticked(state, end)
    assert (awake.status, awake.models_turn, wake_at(awake)) == ("running", True, None)


def test_a_wait_that_is_over_while_the_thread_is_paused_is_told_when_it_goes_on() -> None:
    state = paused(sleeping())
    assert (wake_at(state), due(state, after(10**6), PEOPLE)) == (None, ())
    assert wake_at(resumed(state)) == after(600)
    assert [e.type for e in due(resumed(state), after(10**6), PEOPLE)] == ["TimerFired"]


def test_a_message_ends_a_wait() -> None:
    state = fold(sleeping(), [message("go on")])
    assert (state.status, state.models_turn, wake_at(state)) == ("running", True, None)


def test_work_that_is_held_back_wakes_the_thread_without_an_event() -> None:
    state = started(stepped(thread(), CallTool(tool="look", arguments={"depth": 1}), Policy(people=PEOPLE)))
    failed = ToolFailed(at=NOW, actor=ALICE, call_id=state.call.call_id, error="busy", retry_at=after(30))
    state = fold(state, [failed])
    assert (state.status, wake_at(state)) == ("waiting_for_time", after(30))
    assert due(state, after(30), PEOPLE) == ()
    assert [effect.not_before for effect in work(state)] == [after(30)]


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(walks(most=30), st.integers(0, 5000))
def test_there_is_never_anything_to_tell_before_the_time_to_wake(walk: Walk, seconds: int) -> None:
    state, now = walk.state, walk.now + timedelta(seconds=seconds)
    at = wake_at(state)
    if at is None or now < at:
        assert due(state, now, WALKERS) == ()
    elif state.fires_at is not None or state.status != "waiting_for_time":
        assert due(state, now, WALKERS) != ()
