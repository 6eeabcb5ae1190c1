"""Escalation of open requests to further people, and notices about people who were asked or could not be reached.

An escalation step names people (a role, a person or an address) and the time after which they are asked. Steps are
numbered from 1 (`nth`).
"""

from collections.abc import Iterator
from datetime import datetime

from agents.core.events import KnownEvent, MessageUndeliverable, NoticeGiven, RequestEscalated, RequestShown
from agents.core.people import People
from agents.core.policy import EscalationStep
from agents.core.requests import Request
from agents.core.state import ThreadState
from agents.core.values import CLOCK, ENGINE, Address
from agents.core.visible_text import escape_hidden_characters

_ESCALATION_MARKER = ":escalation"
"""Part of the key of a card's message in front of the number of the escalation step that asked for the card."""

_CHANNEL_PHRASES = {
    "email": "by email",
    "slack": "on Slack",
    "sms": "by SMS",
    "terminal": "in the terminal",
    "web": "by the API",
}
_PUBLIC_SCHEMES = ("slack",)
"""Schemes whose addresses are not private contact data."""


def escalation_follow_ups(state: ThreadState, event: KnownEvent, people: People) -> tuple[KnownEvent, ...]:
    """Return the events that follow a delivered or undeliverable card; `state` is the state before the event."""
    if isinstance(event, RequestShown):
        return tuple(_card_posted_notices(state, event, people))
    return tuple(_card_undeliverable_events(state, event, people)) if isinstance(event, MessageUndeliverable) else ()


def escalation_events(
    request: Request, nth: int, step: EscalationStep, now: datetime, people: People
) -> Iterator[KnownEvent]:
    """Yield the escalation to the addresses of one step, and a notice for each person without such an address."""
    yield RequestEscalated(
        at=now, actor=CLOCK, request_id=request.id, nth=nth, to=people.resolve_addresses(step.to, step.via)
    )
    for person in people.people_without_address(step.to, step.via):
        via = _describe_channel(step.via or "terminal")
        text = f"{escape_hidden_characters(person.name)} could not be reached {via} about {request.code}"
        yield _to_notice(now, f"{text}: no such address is configured")
    if people.is_unknown_group(step.to):
        yield _to_notice(
            now,
            f"{request.code} has no answer yet, and no person is configured for {escape_hidden_characters(step.to)}",
        )


def next_escalation_events(request: Request, nth: int, now: datetime, people: People) -> Iterator[KnownEvent]:
    """Yield the escalation steps from `nth` up to and including the first one with an address."""
    for number, step in enumerate(request.terms.escalate[nth - 1 :], nth):
        yield from escalation_events(request, number, step, now, people)
        if people.resolve_addresses(step.to, step.via):
            return


def display_name_at(address: Address, people: People) -> str:
    """Return the name of the person at an address. A private address of an unknown person is not shown."""
    if (person := people.find_at(address)) is not None:
        return escape_hidden_characters(person.name)
    return (
        escape_hidden_characters(address.id) if address.scheme in _PUBLIC_SCHEMES else "an address of no known person"
    )


def _card_posted_notices(state: ThreadState, event: RequestShown, people: People) -> Iterator[KnownEvent]:
    request, nth = state.get_request(event.request_id), _parse_step_number(event.key)
    if request is None or request.status != "open" or not _is_announced(state, request, nth, event.to):
        return
    recipient = f"{display_name_at(event.to, people)} {_describe_channel(event.to.scheme)}"
    yield _to_notice(event.at, f"{request.code} has no answer yet; I asked {recipient}")


def _card_undeliverable_events(state: ThreadState, event: MessageUndeliverable, people: People) -> Iterator[KnownEvent]:
    """Yield the notice about a card that was not delivered, and the next step if this one reached no person."""
    request = state.get_request(_undelivered_request_id(state, event) or "")
    if request is None or request.status != "open":
        return
    remaining, nth = _without_bounced_card(request, event), _step_number(state, request, event, people)
    if nth is None:
        yield from _first_card_events(state, remaining, event, people)
        return
    if _is_announced(state, request, nth, event.to):
        yield _unreached_notice(request, event, people)
    if nth == request.escalated and _is_step_exhausted(state, remaining, nth, event.key, people):
        yield from next_escalation_events(remaining, nth + 1, event.at, people)


def _undelivered_request_id(state: ThreadState, event: MessageUndeliverable) -> str | None:
    if event.receipt is not None:
        return event.request_id
    return next((m.request_id for m in state.pending_messages if m.key == event.key), None)


def _without_bounced_card(request: Request, event: MessageUndeliverable) -> Request:
    """Return the request without the card that had been accepted and was not delivered, if the event is about one."""
    if event.receipt is None:
        return request
    cards = tuple(card for card in request.cards if (card.address, card.receipt.ref) != (event.to, event.receipt.ref))
    return request.model_copy(update={"cards": cards})


def _step_number(state: ThreadState, request: Request, event: MessageUndeliverable, people: People) -> int | None:
    """Return the number of the escalation step that asked for the card; None for the card of the conversation.

    The key of an update of a card has no number, so that of the last step with its address is used.
    """
    nth = _parse_step_number(event.key)
    if nth is not None or event.receipt is None or event.to == state.origin:
        return nth
    steps = enumerate(request.terms.escalate[: request.escalated], 1)
    return max((n for n, step in steps if event.to in people.resolve_addresses(step.to, step.via)), default=None)


def _first_card_events(
    state: ThreadState, request: Request, event: MessageUndeliverable, people: People
) -> Iterator[KnownEvent]:
    """Yield the next step if the card of the conversation had been accepted and the request has no other card.

    A card that was never accepted needs no event: the next step of a request without a card is due at once.
    """
    if event.receipt is None or request.cards:
        return
    if not any(m.request_id == request.id and m.replaces is None for m in state.pending_messages):
        yield from next_escalation_events(request, request.escalated + 1, event.at, people)


def _unreached_notice(request: Request, event: MessageUndeliverable, people: People) -> NoticeGiven:
    name = display_name_at(event.to, people)
    reason = event.reason.replace(event.to.id, name).rstrip(".")
    return _to_notice(
        event.at, f"{name} could not be reached {_describe_channel(event.to.scheme)} about {request.code}: {reason}"
    )


def _is_announced(state: ThreadState, request: Request, nth: int | None, to: Address) -> bool:
    """Return whether the thread gets a notice about a card: only for configured steps and other conversations."""
    return nth is not None and nth <= len(request.terms.escalate) and to != state.origin


def _is_step_exhausted(state: ThreadState, request: Request, nth: int, key: str, people: People) -> bool:
    """Return whether this was the last pending address of a configured step and no card was delivered."""
    if nth > len(request.terms.escalate):
        return False
    step = request.terms.escalate[nth - 1]
    has_pending_cards = any(
        m.request_id == request.id and _parse_step_number(m.key) == nth for m in state.pending_messages if m.key != key
    )
    addresses = people.resolve_addresses(step.to, step.via)
    return not has_pending_cards and not any(card.address in addresses for card in request.cards)


def _parse_step_number(key: str) -> int | None:
    """Return the number of the escalation step from the key of its card, or None."""
    number = key.partition(_ESCALATION_MARKER)[2].partition(":")[0]
    return int(number) if number.isdecimal() else None


def _describe_channel(scheme: str) -> str:
    return _CHANNEL_PHRASES.get(scheme, f"by {scheme}")


def _to_notice(at: datetime, text: str) -> NoticeGiven:
    return NoticeGiven(at=at, actor=ENGINE, text=f"{text[:1].upper()}{text[1:]}.")
