"""Compute the next deadline of a thread and the events that are due. The current time is an argument."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from agents.addresses import CLOCK
from agents.direct_requests import direct_recipients, has_no_card, next_direct_step
from agents.escalation import escalation_events
from agents.events import (
    KnownEvent,
    RequestEscalated,
    RequestExpired,
    RequestReminded,
    ThreadFinished,
    ThreadPaused,
    TimerFired,
)
from agents.expiry_pause import expiry_pause_reason
from agents.people import People
from agents.requests import Request
from agents.state import ThreadState


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
    if request is not None and not request.is_kept_open and now >= request.expires_at:
        return _expiry_events(state, request, now)
    events: list[KnownEvent] = []
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
        at_once = has_no_card(state, request)
        yield request.opened_at + (timedelta() if at_once else timedelta(seconds=step.after))
    if next_direct_step(state, request) is not None:
        yield request.opened_at


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
    at_once = request.escalated + 1 if has_no_card(state, request) else None
    for nth, step in enumerate(request.terms.escalate[request.escalated :], request.escalated + 1):
        if nth == at_once or now >= request.opened_at + timedelta(seconds=step.after):
            yield from escalation_events(request, nth, step, now, people)
            at_once = at_once if people.resolve_addresses(step.to, step.via) else nth + 1
    if (direct := next_direct_step(state, request)) is not None:
        to = direct_recipients(state, request, people, direct)
        yield RequestEscalated(at=now, actor=CLOCK, request_id=request.id, nth=request.escalated + 1, to=to)
