"""Compute the next deadline of a thread and the events that are due. The current time is an argument."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from agents.core.decisions import may_decide
from agents.core.escalation import escalation_events, escalation_follow_ups
from agents.core.events import (
    KnownEvent,
    MessageUndeliverable,
    RequestEscalated,
    RequestExpired,
    RequestReminded,
    ThreadFinished,
    ThreadPaused,
    ThreadResumed,
    TimerFired,
)
from agents.core.people import People
from agents.core.requests import Request
from agents.core.state import ThreadState
from agents.core.values import CLOCK, Address, person_address


def next_deadline(state: ThreadState) -> datetime | None:
    """Return the earliest time at which `due_events` has events or delayed work may start; None if there is none."""
    if state.unreadable is not None:
        return None
    times = list(_request_deadlines(state, state.open_request)) if state.open_request else []
    if state.status == "waiting_for_time" and state.resume_at is not None:
        times.append(state.resume_at)
    return min(times, default=None)


def due_events(state: ThreadState, now: datetime, people: People) -> tuple[KnownEvent, ...]:
    """Return the events that are due at `now`. A deadline causes its events once, however late."""
    if (at := next_deadline(state)) is None or now < at:
        return ()
    request = state.open_request
    if request is not None and (unconfirmed := tuple(_first_unconfirmed_events(state, request, now, people))):
        return unconfirmed  # they change the escalation; the other events that are due follow at once
    events: list[KnownEvent] = []
    if request is not None and not request.is_kept_open and now >= request.expires_at:
        events += _expiry_events(state, request, now)
        if request.terms.on_expire != "hold":
            return tuple(events)
    if request is not None:
        events += [*_due_reminders(request, now), *_due_escalations(state, request, now, people)]
    if state.status == "waiting_for_time" and state.timer_at is not None and now >= state.timer_at:
        events.append(TimerFired(at=now, actor=CLOCK))
    return tuple(events)


def _request_deadlines(state: ThreadState, request: Request) -> Iterator[datetime]:
    if not request.is_kept_open:
        yield request.expires_at
    for seconds in request.terms.remind[request.reminded : request.reminded + 1]:
        yield request.opened_at + timedelta(seconds=seconds)
    for step in request.terms.escalate[request.escalated : request.escalated + 1]:
        yield request.opened_at + timedelta(seconds=0 if has_no_card(state, request) else step.after)
    if next_direct_step(state, request) is not None:
        yield request.opened_at
    yield from (card.confirm_by for card in request.cards if card.confirm_by is not None)


def _first_unconfirmed_events(
    state: ThreadState, request: Request, now: datetime, people: People
) -> Iterator[KnownEvent]:
    """Yield the events of the first card that did not reach its recipient in time, as far as the channel knows."""
    late = (card for card in request.cards if card.confirm_by is not None and now >= card.confirm_by)
    if (card := next(late, None)) is None:
        return
    event = MessageUndeliverable(
        at=now,
        actor=CLOCK,
        key=f"unconfirmed:{card.receipt.ref}",
        to=card.address,
        reason="the delivery was not confirmed in time",
        request_id=request.id,
        receipt=card.receipt,
    )
    yield event
    yield from escalation_follow_ups(state, event, people)


def _expiry_events(state: ThreadState, request: Request, now: datetime) -> tuple[KnownEvent, ...]:
    """Return the expiry and what it causes. A thread that a person paused is not paused again."""
    on_expire = request.terms.on_expire
    expired = RequestExpired(at=now, actor=CLOCK, request_id=request.id, on_expire=on_expire)
    if on_expire == "halt":
        return (expired, ThreadFinished(at=now, actor=CLOCK, outcome="failed", reason=_halt_reason(request)))
    if on_expire == "hold" and state.paused is None:
        return (expired, ThreadPaused(at=now, actor=CLOCK, reason=expiry_pause_reason(request)))
    return (expired,)


def _halt_reason(request: Request) -> str:
    return f"request {request.code} got no answer in time, so nothing was done; write again if you still want it"


def _due_reminders(request: Request, now: datetime) -> Iterator[RequestReminded]:
    for nth, seconds in enumerate(request.terms.remind[request.reminded :], request.reminded + 1):
        if now >= request.opened_at + timedelta(seconds=seconds):
            yield RequestReminded(at=now, actor=CLOCK, request_id=request.id, nth=nth)


def _due_escalations(state: ThreadState, request: Request, now: datetime, people: People) -> Iterator[KnownEvent]:
    """Yield the escalation steps that are due, and the next step at once while no card was delivered.

    When all steps are used and there is still no card, ask people directly.
    """
    immediate_nth = request.escalated + 1 if has_no_card(state, request) else None
    for nth, step in enumerate(request.terms.escalate[request.escalated :], request.escalated + 1):
        if nth == immediate_nth or now >= request.opened_at + timedelta(seconds=step.after):
            yield from escalation_events(request, nth, step, now, people)
            immediate_nth = immediate_nth if people.resolve_addresses(step.to, step.via) else nth + 1
    if (direct := next_direct_step(state, request)) is not None:
        to = direct_recipients(state, request, people, direct)
        yield RequestEscalated(at=now, actor=CLOCK, request_id=request.id, nth=request.escalated + 1, to=to)


MAX_DIRECT_STEPS = 2
"""Number of direct steps: they follow the configured escalation steps while no card has been delivered.

The first asks each person at one address, the second at all their others.
"""

MAX_APPROVERS = 10
"""Limit on approvers who are asked in a direct step, so that a large role is not notified as a whole."""


def has_no_card(state: ThreadState, request: Request) -> bool:
    """Return whether no card of the request was delivered and none is pending, so that waiting is useless."""
    return not request.cards and not any(m.request_id == request.id for m in state.pending_messages)


def next_direct_step(state: ThreadState, request: Request) -> int | None:
    """Return the next direct step, 0 or 1; None while escalation steps remain or when both steps are done."""
    step = request.escalated - len(request.terms.escalate)
    return step if has_no_card(state, request) and 0 <= step < MAX_DIRECT_STEPS else None


def direct_recipients(state: ThreadState, request: Request, people: People, step: int) -> tuple[Address, ...]:
    """Return the direct addresses of the requester and of the possible approvers for this step."""
    found: list[Address] = []
    for address in _people_to_ask(request, people):
        direct = people.direct_addresses(address, state.origin.scheme)
        found += direct[:1] if step == 0 else direct[1:]
    return tuple(dict.fromkeys(found))


def _people_to_ask(request: Request, people: People) -> Iterator[Address]:
    yield request.requester
    if request.kind == "approval":
        approvers = (person for person in people.members if may_decide(person, request.terms))
        yield from (person_address(person.key) for person, _ in zip(approvers, range(MAX_APPROVERS), strict=False))


def expiry_pause_reason(request: Request) -> str:
    """Return the reason for the pause and what to do about it."""
    return f"request {request.code} got no answer in time and stays open: answer it, and the thread goes on"


def is_paused_by_expiry(state: ThreadState) -> bool:
    """Return whether the thread is paused by the expiry of its open request and not by a person."""
    request = state.open_request
    if request is None or not request.is_kept_open or state.paused is None:
        return False
    return state.paused == expiry_pause_reason(request)


def end_expiry_pause(state: ThreadState, at: datetime, by: Address) -> tuple[ThreadResumed, ...]:
    """Return the event that ends the pause caused by the expired request; empty if there is no such pause."""
    return (ThreadResumed(at=at, actor=by),) if is_paused_by_expiry(state) else ()
