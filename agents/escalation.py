"""Escalation in words: who was asked, by name, once their card was accepted; who could not be reached; what follows."""

from collections.abc import Iterator
from datetime import datetime

from agents.addresses import CLOCK, ENGINE, Address
from agents.events import KnownEvent, MessageUndeliverable, NoticeGiven, RequestEscalated, RequestShown
from agents.people import People
from agents.policy import EscalationStep
from agents.requests import Request
from agents.state import ThreadState
from agents.visible_text import escape_hidden_characters

_ESCALATION_MARKER = ":escalation"
_CHANNEL_PHRASES = {
    "email": "by email",
    "slack": "on Slack",
    "sms": "by SMS",
    "terminal": "in the terminal",
    "web": "by the API",
}
_PUBLIC_SCHEMES = ("slack",)
"""Schemes of places that are no person's private address."""


def escalation_follow_ups(state: ThreadState, event: KnownEvent, people: People) -> tuple[KnownEvent, ...]:
    """Return what follows when a card of an escalation was accepted, or never will be; `state` is before the event."""
    if isinstance(event, RequestShown):
        return tuple(_card_posted_notices(state, event, people))
    return tuple(_card_undeliverable_events(state, event, people)) if isinstance(event, MessageUndeliverable) else ()


def escalation_events(
    request: Request, nth: int, step: EscalationStep, now: datetime, people: People
) -> Iterator[KnownEvent]:
    """Yield the escalation to the addresses of one step, and a notice for each person who has none of its kind."""
    yield RequestEscalated(
        at=now, actor=CLOCK, request_id=request.id, nth=nth, to=people.resolve_addresses(step.to, step.via)
    )
    for who in people.people_without_address(step.to, step.via):
        via = _describe_channel(step.via or "terminal")
        unreached = f"{escape_hidden_characters(who.name)} could not be reached {via} about {request.code}"
        yield _to_notice(now, f"{unreached}: no such address is configured")
    if people.is_unknown_group(step.to):
        yield _to_notice(
            now, f"{request.code} has no answer yet, and no person here is {escape_hidden_characters(step.to)}"
        )


def next_escalation_events(request: Request, nth: int, now: datetime, people: People) -> Iterator[KnownEvent]:
    """Yield the steps from `nth` on, as far as the first that has an address."""
    for number, step in enumerate(request.terms.escalate[nth - 1 :], nth):
        yield from escalation_events(request, number, step, now, people)
        if people.resolve_addresses(step.to, step.via):
            return


def display_name_at(address: Address, people: People) -> str:
    """Return the name of the person who is met at an address; an address that is private is not shown."""
    if (who := people.met_at(address)) is not None:
        return escape_hidden_characters(who.name)
    return (
        escape_hidden_characters(address.id)
        if address.scheme in _PUBLIC_SCHEMES
        else "an address that is no known person's"
    )


def _card_posted_notices(state: ThreadState, event: RequestShown, people: People) -> Iterator[KnownEvent]:
    request, nth = state.get_request(event.request_id), _parse_step_number(event.key)
    if request is None or request.status != "open" or not _is_announced(state, request, nth, event.to):
        return
    asked = f"{display_name_at(event.to, people)} {_describe_channel(event.to.scheme)}"
    yield _to_notice(event.at, f"Nobody answered {request.code} yet; I asked {asked}")


def _card_undeliverable_events(state: ThreadState, event: MessageUndeliverable, people: People) -> Iterator[KnownEvent]:
    lost = next((m for m in state.pending_messages if m.key == event.key), None)
    request = state.get_request(lost.request_id) if lost and lost.request_id else None
    nth = _parse_step_number(event.key)
    if request is None or request.status != "open" or nth is None:
        return
    if _is_announced(state, request, nth, event.to):
        name = display_name_at(event.to, people)
        reason = event.reason.replace(event.to.id, name).rstrip(".")
        yield _to_notice(
            event.at, f"{name} could not be reached {_describe_channel(event.to.scheme)} about {request.code}: {reason}"
        )
    if nth == request.escalated and _is_step_exhausted(state, request, nth, event.key, people):
        yield from next_escalation_events(request, nth + 1, event.at, people)


def _is_announced(state: ThreadState, request: Request, nth: int | None, to: Address) -> bool:
    """Return whether the thread is told of a card: it belongs to a configured step, and is not the thread's own."""
    return nth is not None and nth <= len(request.terms.escalate) and to != state.origin


def _is_step_exhausted(state: ThreadState, request: Request, nth: int, key: str, people: People) -> bool:
    """Return whether this was the last address of a configured step, and none took a card."""
    if nth > len(request.terms.escalate):
        return False
    step = request.terms.escalate[nth - 1]
    on_their_way = any(
        m.request_id == request.id and _parse_step_number(m.key) == nth for m in state.pending_messages if m.key != key
    )
    reached = people.resolve_addresses(step.to, step.via)
    return not on_their_way and not any(card.address in reached for card in request.cards)


def _parse_step_number(key: str) -> int | None:
    """Return the number of the escalation a card was sent for, from its key."""
    number = key.partition(_ESCALATION_MARKER)[2].partition(":")[0]
    return int(number) if number.isdecimal() else None


def _describe_channel(scheme: str) -> str:
    return _CHANNEL_PHRASES.get(scheme, f"by {scheme}")


def _to_notice(at: datetime, text: str) -> NoticeGiven:
    return NoticeGiven(at=at, actor=ENGINE, text=f"{text[:1].upper()}{text[1:]}.")
