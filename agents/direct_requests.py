"""Whom to ask, and where, about a request that no channel shows: nobody would see it otherwise."""

from collections.abc import Iterator

from agents.addresses import Address, person_address
from agents.decisions import may_decide
from agents.people import People
from agents.requests import Request
from agents.state import ThreadState

MAX_DIRECT_STEPS = 2
"""After the last step of the escalation: first everybody at their first own address, then at all others."""

MAX_APPROVERS = 10
"""People who are asked directly beside the requester: of a role that everybody has not all are disturbed."""


def has_no_card(state: ThreadState, request: Request) -> bool:
    """No channel took a card of it and none is on its way: there is nobody to wait for."""
    return not request.cards and not any(m.request_id == request.id for m in state.pending_messages)


def next_direct_step(state: ThreadState, request: Request) -> int | None:
    """Which step of asking people directly is next: 0 or 1. None while the escalation goes on, or nothing is left."""
    step = request.escalated - len(request.terms.escalate)
    return step if has_no_card(state, request) and 0 <= step < MAX_DIRECT_STEPS else None


def direct_recipients(state: ThreadState, request: Request, people: People, step: int) -> tuple[Address, ...]:
    """The addresses of the requester, and of those who may approve, for this step."""
    found: list[Address] = []
    for who in _people_to_ask(request, people):
        own = people.direct_addresses(who, state.origin.scheme)
        found += own[:1] if step == 0 else own[1:]
    return tuple(dict.fromkeys(found))


def _people_to_ask(request: Request, people: People) -> Iterator[Address]:
    yield request.requester
    if request.kind == "approval":
        may = (who for who in people.members if may_decide(who, request.terms))
        yield from (person_address(who.key) for who, _ in zip(may, range(MAX_APPROVERS), strict=False))
