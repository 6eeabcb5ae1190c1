"""Deadlines: when the clock has something to say to a thread, and what it says. Times come in as arguments."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from agents.addresses import CLOCK
from agents.escalating import escalation
from agents.events import (
    KnownEvent,
    RequestEscalated,
    RequestExpired,
    RequestReminded,
    ThreadFinished,
    ThreadPaused,
    TimerFired,
)
from agents.held import held_reason
from agents.people import People
from agents.requests import Request
from agents.state import ThreadState
from agents.unshown import asked_directly, direct_step, is_shown_nowhere


def wake_at(state: ThreadState) -> datetime | None:
    """The earliest time at which `due` has events or held-back work may start; None when only people can move it."""
    if state.unreadable is not None:
        return None
    times = list(_request_times(state, state.request)) if state.request else []
    if state.status == "waiting_for_time" and state.sleeping_until is not None:
        times.append(state.sleeping_until)
    return min(times, default=None)


def due(state: ThreadState, now: datetime, people: People) -> tuple[KnownEvent, ...]:
    """What the clock has to report by `now`. Each deadline is reported once, however late."""
    if (at := wake_at(state)) is None or now < at:
        return ()
    request = state.request
    if request is not None and not request.held and now >= request.expires_at:
        return _expired(state, request, now)
    events: list[KnownEvent] = []
    if request is not None:
        events += [*_reminders(request, now), *_escalations(state, request, now, people)]
    if state.status == "waiting_for_time" and state.fires_at is not None and now >= state.fires_at:
        events.append(TimerFired(at=now, actor=CLOCK))
    return tuple(events)


def _request_times(state: ThreadState, request: Request) -> Iterator[datetime]:
    if not request.held:
        yield request.expires_at
    for seconds in request.ask.remind[request.reminded : request.reminded + 1]:
        yield request.opened_at + timedelta(seconds=seconds)
    for step in request.ask.escalate[request.escalated : request.escalated + 1]:
        at_once = is_shown_nowhere(state, request)
        yield request.opened_at + (timedelta() if at_once else timedelta(seconds=step.after))
    if direct_step(state, request) is not None:
        yield request.opened_at


def _expired(state: ThreadState, request: Request, now: datetime) -> tuple[KnownEvent, ...]:
    """A pause that a person ordered stays theirs."""
    on_expire = request.ask.on_expire
    expired = RequestExpired(at=now, actor=CLOCK, request_id=request.id, on_expire=on_expire)
    if on_expire == "halt":
        return (expired, ThreadFinished(at=now, actor=CLOCK, outcome="failed", reason=_halted(request)))
    if on_expire == "hold" and state.paused is None:
        return (expired, ThreadPaused(at=now, actor=CLOCK, reason=held_reason(request)))
    return (expired,)


def _halted(request: Request) -> str:
    return f"request {request.code} got no answer in time, so nothing was done; write again if you still want it"


def _reminders(request: Request, now: datetime) -> Iterator[RequestReminded]:
    for nth, seconds in enumerate(request.ask.remind[request.reminded :], request.reminded + 1):
        if now >= request.opened_at + timedelta(seconds=seconds):
            yield RequestReminded(at=now, actor=CLOCK, request_id=request.id, nth=nth)


def _escalations(state: ThreadState, request: Request, now: datetime, people: People) -> Iterator[KnownEvent]:
    """Those whose time has come; one more where no one has been asked so far, in the end people directly."""
    at_once = request.escalated + 1 if is_shown_nowhere(state, request) else None
    for nth, step in enumerate(request.ask.escalate[request.escalated :], request.escalated + 1):
        if nth == at_once or now >= request.opened_at + timedelta(seconds=step.after):
            yield from escalation(request, nth, step, now, people)
            at_once = at_once if people.reached(step.to, step.via) else nth + 1
    if (direct := direct_step(state, request)) is not None:
        to = asked_directly(state, request, people, direct)
        yield RequestEscalated(at=now, actor=CLOCK, request_id=request.id, nth=request.escalated + 1, to=to)
