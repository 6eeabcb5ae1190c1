"""Escalation in words: who was asked, by name, once their card was accepted; who could not be reached; what follows."""

from collections.abc import Iterator
from datetime import datetime

from agents.addresses import CLOCK, ENGINE, Address
from agents.events import KnownEvent, MessageUndeliverable, NoticeGiven, RequestEscalated, RequestShown
from agents.people import People
from agents.policy import Escalation
from agents.requests import Request
from agents.state import ThreadState
from agents.visible import visible

_MARK = ":escalation"
_MEDIA = {"email": "by email", "slack": "on Slack", "sms": "by SMS", "terminal": "in the terminal", "web": "by the API"}
_PUBLIC = ("slack",)
"""Schemes of places that are no person's private address."""


def follow_up(state: ThreadState, event: KnownEvent, people: People) -> tuple[KnownEvent, ...]:
    """Return what follows when a card of an escalation was accepted, or never will be; `state` is before the event."""
    if isinstance(event, RequestShown):
        return tuple(_shown(state, event, people))
    return tuple(_lost(state, event, people)) if isinstance(event, MessageUndeliverable) else ()


def escalation(request: Request, nth: int, step: Escalation, now: datetime, people: People) -> Iterator[KnownEvent]:
    """Yield the escalation to the addresses of one step, and a notice for each person who has none of its kind."""
    yield RequestEscalated(at=now, actor=CLOCK, request_id=request.id, nth=nth, to=people.reached(step.to, step.via))
    for who in people.unreached(step.to, step.via):
        told = f"{visible(who.name)} could not be reached {_by(step.via or 'terminal')} about {request.code}"
        yield _notice(now, f"{told}: no such address is configured")
    if people.is_empty(step.to):
        yield _notice(now, f"{request.code} has no answer yet, and no person here is {visible(step.to)}")


def next_escalation(request: Request, nth: int, now: datetime, people: People) -> Iterator[KnownEvent]:
    """Yield the steps from `nth` on, as far as the first that has an address."""
    for number, step in enumerate(request.ask.escalate[nth - 1 :], nth):
        yield from escalation(request, number, step, now, people)
        if people.reached(step.to, step.via):
            return


def name_at(address: Address, people: People) -> str:
    """Return the name of the person who is met at an address; an address that is private is not shown."""
    if (who := people.met_at(address)) is not None:
        return visible(who.name)
    return visible(address.rest) if address.scheme in _PUBLIC else "an address that is no known person's"


def _shown(state: ThreadState, event: RequestShown, people: People) -> Iterator[KnownEvent]:
    request, nth = state.request_named(event.request_id), _step_of(event.key)
    if request is None or request.status != "open" or not _is_told(state, request, nth, event.to):
        return
    asked = f"{name_at(event.to, people)} {_by(event.to.scheme)}"
    yield _notice(event.at, f"Nobody answered {request.code} yet; I asked {asked}")


def _lost(state: ThreadState, event: MessageUndeliverable, people: People) -> Iterator[KnownEvent]:
    lost = next((m for m in state.outgoing if m.key == event.key), None)
    request = state.request_named(lost.request_id) if lost and lost.request_id else None
    nth = _step_of(event.key)
    if request is None or request.status != "open" or nth is None:
        return
    if _is_told(state, request, nth, event.to):
        name = name_at(event.to, people)
        reason = event.reason.replace(event.to.rest, name).rstrip(".")
        yield _notice(event.at, f"{name} could not be reached {_by(event.to.scheme)} about {request.code}: {reason}")
    if nth == request.escalated and _is_lost(state, request, nth, event.key, people):
        yield from next_escalation(request, nth + 1, event.at, people)


def _is_told(state: ThreadState, request: Request, nth: int | None, to: Address) -> bool:
    """Return whether the thread is told of a card: it belongs to a configured step, and is not the thread's own."""
    return nth is not None and nth <= len(request.ask.escalate) and to != state.origin


def _is_lost(state: ThreadState, request: Request, nth: int, key: str, people: People) -> bool:
    """Return whether this was the last address of a configured step, and none took a card."""
    if nth > len(request.ask.escalate):
        return False
    step = request.ask.escalate[nth - 1]
    on_their_way = any(m.request_id == request.id and _step_of(m.key) == nth for m in state.outgoing if m.key != key)
    reached = people.reached(step.to, step.via)
    return not on_their_way and not any(card.address in reached for card in request.cards)


def _step_of(key: str) -> int | None:
    """Return the number of the escalation a card was sent for, from its key."""
    number = key.partition(_MARK)[2].partition(":")[0]
    return int(number) if number.isdecimal() else None


def _by(scheme: str) -> str:
    return _MEDIA.get(scheme, f"by {scheme}")


def _notice(at: datetime, text: str) -> NoticeGiven:
    return NoticeGiven(at=at, actor=ENGINE, text=f"{text[:1].upper()}{text[1:]}.")
